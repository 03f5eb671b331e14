"""The APT configuration of a machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from builders.archives import Key

from imgforge.apt import hosts

URI = "https://mirrors.wikimedia.org/debian"
KEY = Key()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("sources.list.d", "auth.conf.d", "trusted.gpg.d", "mirrors"):
        (tmp_path / "etc/apt" / name).mkdir(parents=True)
    return tmp_path


def put(root: Path, name: str, content: str | bytes) -> None:
    path = root / "etc/apt" / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_a_machine_without_apt_has_nothing(tmp_path: Path) -> None:
    assert hosts.read(tmp_path) == hosts.Host()


def test_sources_of_all_files_are_read_in_apts_order(root: Path) -> None:
    put(root, "sources.list", f"deb {URI} a main\n")
    put(root, "sources.list.d/z.list", f"deb {URI} z main\n")
    put(root, "sources.list.d/b.sources", f"Types: deb\nURIs: {URI}\nSuites: b\nComponents: main\n")
    put(root, "sources.list.d/no.disabled", f"deb {URI} no main\n")
    put(root, "sources.list.d/no~.list", f"deb {URI} no main\n")
    assert [source.suites for source in hosts.read(root).sources] == [("a",), ("b",), ("z",)]


def test_a_file_that_is_wrong_is_a_problem_and_no_more(root: Path) -> None:
    put(root, "sources.list", "nonsense\n")
    put(root, "sources.list.d/a.list", f"deb {URI} a main\n")
    host = hosts.read(root)
    assert len(host.sources) == 1
    assert "sources.list:1: expected 'deb'" in host.problems[0]


def test_a_line_that_is_wrong_costs_no_other(root: Path) -> None:
    disc = "cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ - Official amd64 DVD]/"
    lines = (f"deb {disc} bookworm main", "deb file:/srv/local /", "deb http://[x y main", f"deb {URI} a main")
    put(root, "sources.list", "\n".join(lines))
    put(root, "sources.list.d/z.sources", f"Types: deb\nURIs: {URI}\n\nTypes: deb\nURIs: {URI}\nSuites: c/\n")
    host = hosts.read(root)
    assert [source.suites for source in host.sources] == [("bookworm",), ("/",), ("a",), ("c/",)]
    directory = root / "etc/apt"
    assert host.problems == (
        f"{directory}/sources.list:3: URIs: expected a URI, got '(a malformed URL)'; not used",
        f"{directory}/sources.list.d/z.sources:1: field 'Suites' is missing; not used",
    )


@pytest.mark.parametrize(
    "line",
    [
        "deb mirror+file://[x stable main",
        "deb mirror+file:/a%00b stable main",
        "deb [signed-by=/a\0b] {0} stable main",
        "deb mirror+file:/etc/apt/{1} stable main",
        "deb mirror+file:/etc/apt/auth.conf/x stable main",
    ],
)
def test_nothing_that_a_list_says_is_a_traceback(root: Path, line: str) -> None:
    put(root, "auth.conf", "")
    put(root, "sources.list", f"{line.format(URI, 'x' * 300)}\ndeb {URI} a main\n")
    host = hosts.read(root)
    assert host.sources[-1].suites == ("a",)
    assert len(host.problems) == ("mirror" in line)


def test_keys_come_from_where_a_source_says(root: Path) -> None:
    other = Key()
    put(root, "key.asc", KEY.armored)
    put(root, "trusted.gpg.d/other.gpg", other.certificate)
    put(root, "sources.list", f"deb [signed-by=/etc/apt/key.asc] {URI} a main\ndeb {URI} b main\n")
    assert [source.fingerprints for source in hosts.read(root).sources] == [(KEY.fingerprint,), (other.fingerprint,)]


@pytest.mark.parametrize("content", [None, b"", b"\x99garbage"])
def test_keys_that_cannot_be_read_are_none(root: Path, content: bytes | None) -> None:
    if content is not None:
        put(root, "key.gpg", content)
    put(root, "sources.list", f"deb [signed-by=/etc/apt/key.gpg] {URI} a main\n")
    (source,) = hosts.read(root).sources
    assert source.keys == b""


def test_a_list_of_mirrors_is_read(root: Path) -> None:
    put(root, "mirrors/debian.list", f"# fast ones\n{URI}\tpriority:1\n\nhttp://other.example/debian # slow\n")
    put(root, "sources.list", "deb mirror+file:/etc/apt/mirrors/debian.list a main\ndeb mirror+file:/none b main\n")
    first, second = hosts.read(root).sources
    assert first.uris == (URI, "http://other.example/debian")
    assert second.uris == ()


def test_other_places_are_used_when_apt_says_so(root: Path) -> None:
    (root / "srv").mkdir()
    (root / "srv/my.list").write_text(f"deb {URI} a main\n")
    put(root, "sources.list", f"deb {URI} b main\n")
    host = hosts.read(root, settings={"Dir::Etc::sourcelist": "/srv/my.list", "Dir::Etc::sourceparts": "/dev/null"})
    assert [source.suites for source in host.sources] == [("a",)]


def test_proxies_of_http_hold_for_https_unless_it_has_its_own(root: Path) -> None:
    settings = {
        "Acquire::http::Proxy": "http://proxy:3142",
        "Acquire::http::Proxy::direct.example": "DIRECT",
        "Acquire::https::Proxy::own.example": "http://secure:1",
        "Acquire::http::ProxyAutoDetect": "/bin/false",
        "Acquire::ftp::Proxy": "ftp://no",
    }
    assert dict(hosts.read(root, settings=settings).proxies) == {
        "http": "http://proxy:3142",
        "http://direct.example": "",
        "https": "http://proxy:3142",
        "https://direct.example": "",
        "https://own.example": "http://secure:1",
    }


@pytest.mark.parametrize(
    ("value", "expected"), [("false", False), ("true", True), ("0", False), ("Off", False), ("", True)]
)
def test_a_frozen_mirror_is_known(root: Path, value: str, *, expected: bool) -> None:
    host = hosts.read(root, settings={"Acquire::Check-Valid-Until": value})
    assert host.check_valid_until is expected


LOGINS = """\
# machine commented.example login a password b
machine one.example login user password secret
machine two.example:8443/debian
  login two
  password other
machine http://plain.example login p password q
"""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://one.example/x", ("user", "secret")),
        ("https://one.example", ("user", "secret")),
        ("https://one.example:444/x", ("user", "secret")),
        ("http://one.example/x", None),
        ("https://sub.one.example/x", None),
        ("https://one.example.evil/x", None),
        ("https://two.example:8443/debian/dists", ("two", "other")),
        ("https://two.example:8443/debian", ("two", "other")),
        ("https://two.example:8443/debian-security", None),
        ("https://two.example/debian/dists", None),
        ("http://plain.example/x", ("p", "q")),
        ("https://plain.example/x", None),
        ("https://commented.example/", None),
        ("https://[x", None),
    ],
)
def test_a_login_is_for_its_machine_only(root: Path, url: str, expected: tuple[str, str] | None) -> None:
    put(root, "auth.conf", LOGINS)
    assert hosts.read(root).credentials(url) == expected


def test_logins_of_the_parts_are_read(root: Path) -> None:
    put(root, "auth.conf.d/a.conf", "machine a.example login a password b")
    assert hosts.read(root).credentials("https://a.example/") == ("a", "b")


def test_a_login_for_everybody_is_for_nobody(root: Path) -> None:
    put(root, "auth.conf", "machine a.example\ndefault login b password c\nmachine d.example login e password f\n")
    assert hosts.read(root).credentials("https://a.example/") is None
    assert hosts.read(root).credentials("https://other.example/") is None
    assert hosts.read(root).credentials("https://d.example/") == ("e", "f")


@pytest.mark.parametrize(
    "url",
    [
        "https://one.example\\@evil.example/x",
        "https://evil.example\\@one.example/x",
        "https://one.example@evil.example/x",
        "https://one.example:443@evil.example/",
        "https://evil.example/https://one.example/",
        "https://one.example%2f@evil.example/",
        "https://one.example.:443/",
        "https://two.example:8443/debian/../other",
        "https://two.example:8443/debian/%2e%2e/other",
    ],
)
def test_a_login_is_not_for_what_looks_like_its_machine(root: Path, url: str) -> None:
    put(root, "auth.conf", LOGINS)
    assert hosts.read(root).credentials(url) is None


def test_a_login_in_a_uri_is_taken_out_and_for_that_uri_alone(root: Path) -> None:
    put(root, "sources.list", "deb http://ci:hunter2%40@a.example/debian bookworm main\n")
    host = hosts.read(root)
    assert [source.uris for source in host.sources] == [("http://a.example/debian",)]
    assert host.credentials("http://a.example/debian/dists/x") == ("ci", "hunter2@")
    assert host.credentials("http://a.example/other") is None
    assert host.credentials("https://a.example/debian/dists/x") is None
    assert "hunter2" not in repr(host)


def test_this_users_files_are_read_without_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("apt-config") is None:
        pytest.skip("needs APT, which prints its configuration")
    (tmp_path / "logins").write_text("machine apt.example login a password b\n")
    (tmp_path / "netrc").write_text("machine netrc.example login c password d\n")
    names = ("main", "parts", "sourcelist", "sourceparts", "netrcparts")
    lines = [f'Dir::Etc::{name} "/dev/null";' for name in names]
    (tmp_path / "apt.conf").write_text("\n".join([*lines, f'Dir::Etc::netrc "{tmp_path}/logins";']) + "\n")
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    host = hosts.read()
    assert host.credentials("https://apt.example/x") == ("a", "b")
    assert host.credentials("https://netrc.example/x") == ("c", "d")
    assert host.credentials("http://netrc.example/x") is None


def test_a_login_shows_no_password() -> None:
    assert "secret" not in repr(hosts.Login("machine", "user", "secret"))


@pytest.mark.archive
def test_this_machines_apt_is_read() -> None:
    host = hosts.read()
    assert host.sources
    assert host.problems == ()
