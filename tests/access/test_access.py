"""What a restriction allows and refuses: hosts and addresses in every spelling, transports, directories, sizes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgforge.access import ANYTHING, Access, RestrictedError

pytestmark = pytest.mark.attack

PUBLIC = Access(hosts=("*",))
LISTED = Access(hosts=("registry.example.org", "*.mirror.example.org", "127.0.0.1:5000", "[::1]:5000"))

PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "198.51.100.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_not_connected_to(address: str) -> None:
    with pytest.raises(RestrictedError, match=r"not public \(networks\)"):
        PUBLIC.address(address, 443, host="name.example.org", what="x")
    with pytest.raises(RestrictedError):
        PUBLIC.host(address, 443, what="x")


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_a_public_address_is(address: str) -> None:
    PUBLIC.address(address, 443, host="name.example.org", what="x")
    PUBLIC.host(address, 443, what="x")


ODD = [
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0x7f.1/",
    "http://127.0.0.1./",
    "http://127.0.0.0x1/",
    "http://1.2.3.4.5/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::1]:80/",
    "http://[::1/",
    "http://example.org:99999/",
    "http://example.org:22/",
    "http://127.0.0.1:6379/",
    "http:///path",
    "http://",
]


@pytest.mark.parametrize("url", ODD)
@pytest.mark.parametrize("access", [PUBLIC, LISTED])
def test_an_odd_spelling_of_a_host_is_refused(access: Access, url: str) -> None:
    with pytest.raises(RestrictedError):
        access.url(url, what="x")


NOT_LISTED = [
    "https://other.example.org/",
    "https://registry.example.org.evil.example/",
    "https://evil-registry.example.org/",
    "https://registry.example.org@evil.example/",
    "https://evil.example/registry.example.org",
    "https://mirror.example.org/",
    "https://evilmirror.example.org/",
    "https://registry.example.org:5000/",
    "https://127.0.0.1/",
    "https://127.0.0.1:5001/",
    "https://localhost:5000/",
    "https://[::1]:5001/",
]


@pytest.mark.parametrize("url", NOT_LISTED)
def test_a_host_that_is_not_listed_is_refused(url: str) -> None:
    with pytest.raises(RestrictedError, match=r"\(hosts"):
        LISTED.url(url, what="x")


@pytest.mark.parametrize(
    "url",
    [
        "https://registry.example.org/v2/",
        "https://REGISTRY.example.org./",
        "http://registry.example.org:443/",
        "http://debian.mirror.example.org/",
        "http://127.0.0.1:5000/",
        "http://[::1]:5000/",
    ],
)
def test_a_host_that_is_listed_is_allowed(url: str) -> None:
    LISTED.url(url, what="x")


def test_a_private_address_is_allowed_where_it_is_listed_itself_or_its_network_is() -> None:
    LISTED.address("127.0.0.1", 5000, host="127.0.0.1", what="x")
    with pytest.raises(RestrictedError):
        LISTED.address("127.0.0.1", 5000, host="registry.example.org", what="a name that was made to lead there")
    inside = Access(hosts=("registry.example.org",), networks=("172.16.0.0/12", "fd00::/8"))
    inside.address("172.16.2.3", 443, host="registry.example.org", what="x")
    inside.address("fd00::1", 443, host="registry.example.org", what="x")
    inside.address("::ffff:172.16.2.3", 443, host="registry.example.org", what="x")
    with pytest.raises(RestrictedError):
        inside.address("127.0.0.1", 443, host="registry.example.org", what="x")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "in").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "root" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "dots").symlink_to("../outside")
    (tmp_path / "root" / "loop").symlink_to("loop")
    (tmp_path / "root" / "back").symlink_to("in/../../root/in")
    (tmp_path / "root-but-not").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../outside",
        "out",
        "out/file",
        "dots",
        "in/../../outside",
        "../root-but-not/x",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/proc/self/root/etc/passwd",
        "out/../root-but-not",
    ],
)
def test_a_path_outside_of_the_roots_is_refused(root: Path, name: str) -> None:
    access = Access(roots=(root,))
    with pytest.raises(RestrictedError, match=r"\(roots\)"):
        access.path(root / name, what="x")
    with pytest.raises(RestrictedError, match=r"\(roots\)"):
        access.url(f"file:{root / name}", what="x")


@pytest.mark.parametrize("name", ["", "in", "in/missing", "back", "in/../in", "loop"])
def test_a_path_inside_is_returned_without_symlinks(root: Path, name: str) -> None:
    got = Access(roots=(root,)).path(root / name, what="x")
    assert os.fspath(got) == os.path.realpath(root / name)


@pytest.mark.parametrize("name", ["store", "oci", "oci-archive", "docker-archive"])
def test_a_transport_that_is_not_listed_is_refused(name: str) -> None:
    Access(transports=("docker",)).transport("docker", what="x")
    with pytest.raises(RestrictedError, match=r"\(transports: docker\)"):
        Access(transports=("docker",)).transport(name, what="x")


def test_more_bytes_than_are_allowed_are_refused() -> None:
    Access(copied=10).size(10, what="x")
    with pytest.raises(RestrictedError, match=r"at most 10 bytes of files \(copied\)"):
        Access(copied=10).size(11, what="x")


def test_without_a_restriction_everything_is_allowed() -> None:
    assert not ANYTHING.is_restricted
    ANYTHING.url("http://127.1:6379/", what="x")
    ANYTHING.path(Path("/dev/zero"), what="x")
    ANYTHING.transport("oci", what="x")
    ANYTHING.address("127.0.0.1", 1, host="x", what="x")
    ANYTHING.size(1 << 60, what="x")
