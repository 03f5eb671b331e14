"""One parser of URLs: what it takes, every other parser reads the same; what they read differently, it refuses."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from imgforge.fetch.url import Url, UrlError, redact, without_user

pytestmark = pytest.mark.attack

HOST = "good.example.org"
EVIL = "evil.example.org"

HOSTILE = (
    # a backslash is a slash to browsers, and part of a user or a host to others
    rf"https://{EVIL}\@{HOST}/", rf"https://{HOST}\@{EVIL}/", rf"https:\\{EVIL}/", rf"https:/\{EVIL}/",
    rf"https://{HOST}\{EVIL}/", rf"https://{EVIL}\.{HOST}/", rf"https://{HOST}:443\@{EVIL}", rf"https:\/{EVIL}",
    rf"https://{HOST}/a\b", rf"https://\{HOST}/", rf"https://{HOST}\?@{EVIL}", rf"https://{HOST}\#@{EVIL}",
    # a user, or what looks like one
    f"https://{HOST}@{EVIL}/", f"https://a:b@{HOST}/", f"https://@{HOST}/", f"https://:@{HOST}/",
    f"https://a@b@{HOST}/",
    f"https://{HOST}:80@{EVIL}/", f"https://{HOST}%40{EVIL}/", f"https://a%3ab@{HOST}/", f"https://{HOST}:@{EVIL}/",
    f"https://{HOST}:443:443@{EVIL}/", f"https://[::1]@{EVIL}/", f"https://{HOST};@{EVIL}/",
    f"https://{HOST}&@{EVIL}#@{HOST}",
    # ends of the authority
    f"https://{EVIL}:?@{HOST}", f"https://{EVIL}:#@{HOST}", f"https:?//{HOST}",
    # white space and control characters
    f" https://{HOST}/", f"https://{HOST}/ ", f"https://{HOST} /", f"https://{HOST}\t/", f"https://{HOST}/\r\nX: y",
    f"https://{HOST}/\n", f"ht\ntps://{HOST}/", f"https:\t//{HOST}/", f"https://{HOST}\0.{EVIL}/",
    f"https://{HOST}/\x7f",
    f"\x01https://{HOST}/", f"https://{HOST}\x0b/", f"https://{HOST}\u00a0/", f"https://{HOST}/a b",
    f"https://{EVIL}\r@{HOST}",
    f"https://{HOST}\u2028/", f"https://{HOST}\u3000/", f"https://\u200b{HOST}/", f"https://{HOST}\ufeff/",
    # names that are normalised, or not
    "https://\u00e9vil.example.org/", "https://evil\u3002example\u3002org/", "https://\uff45vil.example.org/",
    "https://evil.example.org\uff0f@good/", "https://evil.example.org\u2044x/", "https://\u2460.example.org/",
    f"https://{HOST}%2e{EVIL}/", "https://%67ood.example.org/", f"https://{HOST}%2f{EVIL}/",
    f"https://{HOST}%00{EVIL}/",
    f"https://{HOST}%5c@{EVIL}/", f"https://{HOST}./", f"https://.{HOST}/", "https://good..example.org/", "https://./",
    "https://../", f"https://-{HOST}/", "https://good-.example.org/", f"https://*.{HOST}/", "https://*/",
    f"https://{'a' * 64}.org/",
    f"https://{'a.' * 130}org/", "https://exa$mple.org/", "https://exa'mple.org/", "https://(example).org/",
    "https://a,b/",
    "https://a;b/", "https://a=b/", "https://a~b/", "https://a+b/", "https://a!b/", "https://a|b/", "https://a<b/",
    "https://a^b/",
    "https://a`b/", 'https://a"b/', "https://{a}/", "https://a%/", "https://a%zz/",
    # addresses that resolvers read in ways of their own
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.01/", "http://127.0.0.1.1/", "http://256.0.0.1/", "http://127.0.0.0x1/", "http://0/", "http://0x/",
    "http://1e1.1/",
    "http://127.0.0.1./", "http://good.example.1/", "http://\u0661\u0662\u0667.0.0.1/",
    "http://\u2460\u2461\u2466.0.0.1/",
    # IPv6: zones, brackets, what is not closed
    "http://[::1", "http://::1/", "http://[::1]x/", "http://x[::1]/", "http://[[::1]]/", "http://[]/",
    "http://[::1%eth0]/",
    "http://[fe80::1%25eth0]/", "http://[fe80::1%2525]/", "http://[v1.fe]/", "http://[127.0.0.1]/",
    "http://[::1]:80:80/",
    "http://[::g]/", "http://[::1]]/", "http://[::1]@good/", "http://[::ffff:999.0.0.1]/",
    "http://[1:2:3:4:5:6:7:8:9]/",
    f"https://{HOST}/[x]", f"https://{HOST}/?[x]", "http://[::1\\]/", "http://[::1]:/", "http://[:: 1]/",
    # ports
    f"https://{HOST}:/", f"https://{HOST}:0/", f"https://{HOST}:65536/", f"https://{HOST}:99999/",
    f"https://{HOST}:-1/",
    f"https://{HOST}:+80/", f"https://{HOST}:080/", f"https://{HOST}:8_0/", f"https://{HOST}:80x/",
    f"https://{HOST}:\u0664\u0664\u0663/",
    f"https://{HOST}:443:80/", f"https://{HOST}:4 43/", f"https://{HOST}:0x50/", f"https://{HOST}:1e3/",
    "https://:443/",
    # schemes and their absence
    "https:///path", "https:////good/", "https:", "https:/", "https://", f"https:{HOST}/", f"https:/{HOST}/",
    f"//{HOST}/", HOST, "",
    "/path", "?q", "#f", f"ftp://{HOST}/", "javascript:alert(1)", "data:,x", f"gopher://{HOST}/", f"HTTPX://{HOST}/",
    f"s3://{HOST}/",
    f"file://{HOST}/etc/passwd", "file:etc/passwd", f"file://{HOST}", "file://127.0.0.1/x", "file:",
    f"http+unix://{HOST}/",
    f"blob:https://{HOST}/", f"view-source:https://{HOST}/", f"1http://{HOST}/", f"-http://{HOST}/",
    f":https://{HOST}/", f"https//{HOST}/",
    # paths and queries
    f"https://{HOST}/%", f"https://{HOST}/%1", f"https://{HOST}/%gg", f"https://{HOST}/<x>", f"https://{HOST}/|",
    f"https://{HOST}/^",
    f"https://{HOST}/`", f'https://{HOST}/"', f"https://{HOST}/{{x}}", f"https://{HOST}/\u00e9",
    f"https://{HOST}/?\u00e9", f"https://{HOST}/?a b",
    f"https://{HOST}/{'x' * 9000}", f"https://{HOST}/?%", f"https://{HOST}/#\\", f"https://{HOST}/\ud800",
    f"https://{HOST}/?{{}}",
)  # fmt: skip

GOOD = (
    f"https://{HOST}", f"https://{HOST}/", f"HTTPS://{HOST.upper()}/", f"http://{HOST}:8080/a/b?c=d&e=f",
    "http://127.0.0.1:5000/v2/",
    "http://[::1]:5000/", "http://[2001:DB8::1]/x", f"https://{HOST}/a/../b/./c", f"https://{HOST}/%7euser/%2e%2e/x",
    "https://localhost/",
    f"https://{HOST}/pool/main/g/g%2b%2b/g++_1%3a2~rc1_amd64.deb", f"https://{HOST}/a//b", f"https://{HOST}//x",
    f"https://{HOST}/..//x",
    "https://xn--bcher-kva.example/", "https://my_host.example.org/", f"https://{HOST}/?a=%2F%2f&b",
    f"https://{HOST}/a#part", f"https://{HOST}?a",
    f"https://{HOST}/a;b=c,d/e:f@g!$&'()*+=", f"https://{HOST}/..", f"https://{HOST}/.", f"https://{HOST}/a/..",
    f"https://{HOST}/a/.",
    f"https://{HOST}:443/", "https://a/", "https://a-b.c/", f"https://{HOST}/%e2%82%ac", f"https://{HOST}/%2525",
)  # fmt: skip


read_by_urllib3: Any = parse_url


def same_host(one: str | None, other: str) -> bool:
    """Compare hosts; IPv6 has several spellings."""
    if one is None:
        return False
    try:
        return ipaddress.ip_address(one.strip("[]")) == ipaddress.ip_address(other.strip("[]"))
    except ValueError:
        return one.lower() == other


def readings(text: str) -> dict[str, tuple[str, str, int, str, str]]:
    """Return scheme, host, port, path and query of a text, by each other parser that takes it."""
    found: dict[str, tuple[str, str, int, str, str]] = {}
    ports = {"http": 80, "https": 443}
    prepare: dict[str, Callable[[], str]] = {
        "urllib": lambda: text,
        "requests": lambda: str(requests.Request("GET", text).prepare().url),
    }
    for name, parse in prepare.items():
        try:
            parts = urlsplit(parse())
            port = parts.port or ports.get(parts.scheme, 0)
            found[name] = (parts.scheme, parts.hostname or "", port, parts.path, parts.query)
        except (ValueError, requests.RequestException):
            continue
    try:
        other: Any = read_by_urllib3(text)
        port = other.port or ports.get(other.scheme or "", 0)
        found["urllib3"] = (other.scheme or "", other.host or "", port, other.path or "", other.query or "")
    except (LocationParseError, ValueError):
        pass
    return found


def check_agreement(url: Url) -> None:
    """Compare what we read of a URL with what everybody else reads of the text that we send."""
    ours = (url.scheme, url.host, url.origin[2], url.path, url.query)
    others = readings(str(url))
    assert sorted(others) == ["requests", "urllib", "urllib3"], url
    for name, other in others.items():
        assert same_host(other[1], url.host), (name, url, other)
        assert (other[0], *other[2:]) == (ours[0], *ours[2:]), (name, url)


def test_there_are_hostile_urls_enough() -> None:
    assert len(set(HOSTILE)) >= 180


@pytest.mark.parametrize("text", HOSTILE)
def test_a_url_that_parsers_may_read_differently_is_refused(text: str) -> None:
    with pytest.raises(UrlError):
        Url.parse(text)


@pytest.mark.parametrize("text", GOOD)
def test_a_plain_url_is_read_as_everybody_reads_it(text: str) -> None:
    url = Url.parse(text)
    check_agreement(url)
    assert Url.parse(str(url)) == url
    others = readings(text)
    assert all(same_host(other[1], url.host) for other in others.values())


ALPHABET = r"""aA0.-_~:/?#[]@!$&'()*+,;=%\ """ + '\t\r\n\0{}|^`"<>\u00e9\u3002\uff0f'


@given(st.text(alphabet=ALPHABET, max_size=40))
def test_what_is_taken_means_one_thing(text: str) -> None:
    for whole in (text, f"https://{text}", f"https://{HOST}{text}", f"http://{text}@{HOST}/", f"https://{HOST}/{text}"):
        try:
            url = Url.parse(whole)
        except UrlError:
            continue
        check_agreement(url)
        assert all(same_host(other[1], url.host) for other in readings(whole).values())


@given(st.text(alphabet=ALPHABET, max_size=30))
def test_where_a_server_sends_us_means_one_thing(text: str) -> None:
    base = Url.parse(f"https://{HOST}/a/b?c")
    try:
        url = base.join(text)
    except UrlError:
        return
    check_agreement(url)
    assert same_host(urlsplit(urljoin(str(base), text)).hostname, url.host)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/x", f"https://{HOST}/x"),
        ("x", f"https://{HOST}/a/x"),
        ("../x", f"https://{HOST}/x"),
        ("../../../x", f"https://{HOST}/x"),
        ("?d", f"https://{HOST}/a/b?d"),
        ("#d", f"https://{HOST}/a/b?c"),
        ("./", f"https://{HOST}/a/"),
        (f"//{EVIL}/x", f"https://{EVIL}/x"),
        (f"http://{EVIL}/x", f"http://{EVIL}/x"),
        ("/a:b", f"https://{HOST}/a:b"),
        ("./a:b", f"https://{HOST}/a/a:b"),
    ],
)
def test_a_relative_location_is_resolved(location: str, expected: str) -> None:
    assert str(Url.parse(f"https://{HOST}/a/b?c").join(location)) == expected


@pytest.mark.parametrize(
    "location",
    ["", rf"\\{EVIL}/", rf"/\{EVIL}/", rf"\/{EVIL}/", f"///{EVIL}/", f"//a@{EVIL}/", "a:b", f"https:{EVIL}",
     f"https:/{EVIL}", "//", " /x",
     f"/\t/{EVIL}", f"//{EVIL}:x/", f"//{EVIL}\\x", "//[::1", "//127.1/"],
)  # fmt: skip
def test_a_location_that_parsers_may_read_differently_is_refused(location: str) -> None:
    with pytest.raises(UrlError):
        Url.parse(f"https://{HOST}/a/b?c").join(location)


SECRETS = itertools.product(
    ("https://user:hunter2@host/", "https://hunter2@host/x?y", "http://hunter2\\@host/",
     "https:/u:hunter2@host", "//hunter2@host/"),
    ("", "#hunter2", "?hunter2", "\\"),
)  # fmt: skip


@pytest.mark.parametrize("text", ["".join(pair) for pair in SECRETS])
def test_no_shown_url_holds_a_secret(text: str) -> None:
    assert "hunter2" not in redact(text)


def test_a_user_is_taken_off() -> None:
    assert without_user("http://a:b%40@host:80/x@y") == ("http://host:80/x@y", "a:b%40")
    assert without_user("http://host/x@y") == ("http://host/x@y", "")
    assert redact("http://host/\n") == "(a malformed URL)"
