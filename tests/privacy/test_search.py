"""What looks like a secret and is none, and whatever else a search meets."""

from __future__ import annotations

import base64
import binascii

import pytest
from builders import secrets
from builders.secrets import drawn, pem, token
from hypothesis import given
from hypothesis import strategies as st

from imgforge.privacy import hidden, keys
from imgforge.privacy.finding import shown
from imgforge.privacy.hosts import Hosts, Word
from imgforge.privacy.judgement import is_placeholder, is_random, is_reserved_host
from imgforge.privacy.known import KNOWN
from imgforge.privacy.names import by_assignments, by_name, by_variable
from imgforge.privacy.search import SEPARATOR, search

NOBODY = Hosts()
BEGIN = b"-" * 5 + b"BEGIN RSA PRIVATE " + b"KEY" + b"-" * 5

HARMLESS = {
    "a header alone": BEGIN,
    "a header and dots": BEGIN + b"\n...\n" + BEGIN.replace(b"BEGIN", b"END"),
    "a header and words": BEGIN + b"\nput your key here, all of the sixty-four characters of it\n",
    "a header and zeros": BEGIN + b"\n" + b"AAAA" * 64,
    "a header in a program": b"\0" + BEGIN + b"\0-----BEGIN CERTIFICATE-----\0" + b"A" * 99,
    "a public key": secrets.public(),
    "a format string": b"(11:private-" + b"key(%d:%s(",
    "a template of a url": b"https://user:${PASSWORD}@git.shop.se/ https://a:<token>@x.se https://a:%s@x.se",
    "a url of a manual": b"ftp://user:password@host.se http://me:secret@proxy:8080 http://a:b1c2d3@www.example.com/",
    "an IPv6 url": b"http://[2001:db8::1]:8080/a@b",
    "a port and an at": b"http://x.se:8080/~a@b http://x.se/a:b@c",
    "an e-mail": b"mailto:a@b.se scp host:/srv/a@b",
    "netrc in prose": b"set machine to the host, login to the user and password to the password",
    "netrc of a manual": b"machine ftp.example.org login joe password blah-blah-blah",
    "anonymous netrc": b"machine ftp.shop.se login anonymous password user@site",
    "a short token": b"gh" + b"p_" + drawn(35).encode(),
    "a token of zeros": b"gh" + b"p_" + b"0" * 36,
    "a token of a manual": b"gh" + b"p_" + b"x" * 36 + b" AK" + b"IAIOSFODNN7EXAMPLE",
    "an identifier": b"np" + b"m_" + b"config_get_value_of_the_registry_or_fail_hard",
    "part of a word": b"A" * 8 + token("aws-id"),
    "unsigned jwt": b" eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0." + drawn(43).encode(),
    "no jwt": b" eyJ" + b"abcdefghijk.eyJabcdef." + drawn(43).encode(),
    "a trust store": secrets.java(with_key=False),
    "a trust store of another kind": secrets.p12(with_key=False),
    "the key bag's name in a library": b"\x7fELF" + b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02",
    "an empty auth": b'{"auths": {"registry.shop.se": {"auth": ""}, "x.se": {"auth":"YWJjOg=="}}}',
    "token in yaml": b"token: " + drawn(32).encode(),
    "sums": b"".join(b"%s  usr/bin/%d\n" % (binascii.b2a_hex(bytes([n] * 32)), n) for n in range(40)),
    "npm's own code": b"'//registry.shop.se/:_authToken=${NPM_TOKEN}'",
}


@pytest.mark.parametrize("data", HARMLESS.values(), ids=HARMLESS)
def test_what_is_no_secret_raises_no_alarm(data: bytes) -> None:
    found = search(data, hosts=NOBODY)
    assert [(hit.kind, hit.encoding) for hit in found] == []
    assert list(keys.stores(data)) == []


@given(st.binary(max_size=400), st.integers(0, 3))
def test_any_bytes_can_be_searched(data: bytes, depth: int) -> None:
    search(data, hosts=NOBODY, depth=depth)
    list(keys.stores(data))
    list(by_name("root/.env", data))


@given(
    st.sampled_from([b"\xfe\xed\xfe\xed\0\0\0\2", b"\x30\x82", b"\x95\x03", b"\xc5\xff", BEGIN]), st.binary(max_size=99)
)
def test_damaged_keys_can_be_searched(begin: bytes, rest: bytes) -> None:
    search(begin + rest, hosts=NOBODY)
    list(keys.stores(begin + rest))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_token_is_found_between_anything(before: bytes, after: bytes) -> None:
    secret = token("github")
    found = search(before + b" " + secret + b" " + after, hosts=NOBODY)
    assert "github-token" in {hit.kind for hit in found}


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=30, max_size=300))
def test_hidden_text_is_read_as_it_was_written(text: str) -> None:
    plain = text.encode()
    for encode in (base64.b64encode, binascii.b2a_hex, base64.encodebytes):
        assert any(
            found.content.startswith(plain) for found in hidden.find(hidden.Classes.of(b"\n" + encode(plain) + b"\n"))
        )


def test_the_same_secret_has_the_same_hash_however_it_is_written() -> None:
    key = pem("pkcs8")
    written = (
        key,
        key.replace(b"\n", b"\\n"),
        base64.b64encode(key),
        key.decode().encode("utf-16"),
        key.hex().encode(),
    )
    assert len({hit.secret for data in written for hit in search(data, hosts=NOBODY)}) == 1


def test_the_body_of_a_key_is_not_a_second_one() -> None:
    for form in ("pkcs8", "pkcs1", "sec1", "openssh"):
        assert [hit.kind for hit in search(pem(form), hosts=NOBODY)] == ["private-key"]


def test_texts_that_are_searched_together_do_not_join() -> None:
    halves = token("github")[:20], token("github")[20:]
    assert search(SEPARATOR.join(halves), hosts=NOBODY) == ()


def test_a_name_is_searched_for_when_it_tells_something() -> None:
    hosts = Hosts.of(
        ["localhost", "debian", "builder", "runner-3", "ci", "web7", "forge-7", "ci.shop.se.", "127.0.0.1"],
        proxies=["http://user:x@proxy.shop.se:3128/", "proxy2.shop.se:80", "http://127.0.0.1:3142", "http://[", ""],
        patterns=["*.internal.shop.se", "*"],
    )
    assert hosts.words == (
        Word("build-host", ".internal.shop.se"),
        Word("build-host", "ci.shop.se"),
        Word("build-host", "forge-7"),
        Word("build-proxy", "proxy.shop.se:3128"),
        Word("build-proxy", "proxy2.shop.se:80"),
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"on forge-7.", [b"forge-7"]),
        (b"FORGE-7", [b"FORGE-7"]),
        (b"reforge-7 forge-77 my-forge-7 forge-7-old", []),
        (b"http://a.internal.shop.se/", [b"a.internal.shop.se"]),
        (b"'.internal.shop.se' a.internal.shop.sex", []),
    ],
)
def test_a_name_is_found_where_it_stands_alone(data: bytes, expected: list[bytes]) -> None:
    hosts = Hosts.of(["forge-7"], patterns=["*.internal.shop.se"])
    assert [hit.secret for hit in search(data, hosts=hosts)] == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DB_PASSWORD", "s3cr3t-of-shop", ["secret-variable"]),
        ("API_KEY", "0f8a7b6c5d", ["secret-variable"]),
        ("DB_PASSWORD_FILE", "/run/secrets/db", []),
        ("DB_PASSWORD", "/run/secrets/db", []),
        ("DB_PASSWORD", "${DB}", []),
        ("DB_PASSWORD", "changeme", []),
        ("TOKEN_TTL", "3600", []),
        ("GPG_PUBLIC_KEY", "0f8a7b6c5d", []),
        ("PATH", "/usr/bin", []),
        ("http_proxy", "http://10.0.0.1:3128", ["proxy-setting"]),
        ("NO_PROXY", "172.16.0.0/12", []),
    ],
)
def test_a_variable_gives_a_secret_away(name: str, value: str, expected: list[str]) -> None:
    assert [hit.kind for hit in by_variable(name, value)] == expected
    assert [hit.kind for hit in by_assignments(f"RUN |1 {name}='{value}' make")] == expected


def test_a_package_is_no_variable() -> None:
    assert list(by_assignments("imgforge: packages bash=5.2 passwd=1:4.13+dfsg1-1")) == []
    assert [hit.kind for hit in by_assignments("imgforge: packages PASSWORD=s3cr3t")] == ["secret-variable"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/shadow", b"root:*:19000:0:99999:7:::\ndaemon:!:19000::::::\napp:!*:1::::::\n"),
        ("root/.bash_history", b"\n"),
        ("usr/share/doc/.env.example", b"DB_PASSWORD=\nTOKEN=changeme\n"),
        ("etc/apt/apt.conf.d/01", b'// Acquire::http::Proxy "http://x.se:1";\nAcquire::http::Proxy "DIRECT";\n'),
        ("etc/wgetrc", b"#https_proxy = http://proxy.yoyodyne.com:18023/\n"),
        ("usr/share/x/password.txt", b"password = everybody-knows"),
    ],
)
def test_a_file_that_tells_nothing_is_passed_over(path: str, text: bytes) -> None:
    assert list(by_name(path, text)) == []


def test_judgements() -> None:
    drawn_or_not = (token("github"), b"abcdefghijklmnopqrstuvwxyz")
    assert [is_random(value) for value in drawn_or_not] == [True, False]
    values = (b'"PASSWORD"', b"", b"s3cr3t-of-shop")
    assert [is_placeholder(value) for value in values] == [True, True, False]
    hosts = (b"www.example.com:8080", b"https://localhost/x", b"examples.shop.se")
    assert [is_reserved_host(host) for host in hosts] == [True, True, False]


def test_little_is_shown_of_a_secret() -> None:
    assert shown("github-token", token("github")).endswith("… (40 bytes)")
    assert shown("github-token", b"short") == "5 bytes"
    assert shown("netrc", b"a long password that somebody chose") == "35 bytes"
    assert shown("build-host", b"forge-7") == "forge-7"


def test_known_keys_have_a_reason() -> None:
    assert {len(sha256) for sha256 in KNOWN} == {64}
    assert all(len(reason) > 20 for reason in KNOWN.values())
