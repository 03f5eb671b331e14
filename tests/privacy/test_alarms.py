"""Excerpts of packages that raised false alarms, each with a near twin that is a secret; and real packages."""

from __future__ import annotations

import base64
import hmac
import io
import subprocess
from pathlib import Path

import attrs
import pytest
from builders import secrets
from builders.trees import file
from privacy import alarms

from imgforge.privacy import scan
from imgforge.privacy.published import EXAMPLES, LEAKED

PASSWORD = secrets.drawn(18, seed="twin").encode()
DOC = "usr/share/doc/git/contrib/credential/netrc/test.netrc"
GO = "usr/share/go-1.19/src/"
PYTHON = "usr/lib/python3/dist-packages/"
OPENSSH = b"-----BEGIN OPENSSH PRIVATE " + b"KEY-----"


@attrs.frozen
class Excerpt:
    """What a package says, and what somebody would have written there.

    Attributes:
        kind: of the secret in the twin.
        path: of both.
        text: raises no alarm.
        twin: does.
        elsewhere: a path at which the text itself is a secret; empty when it is none anywhere.
    """

    kind: str
    path: str
    text: bytes
    twin: bytes
    elsewhere: str = ""


def url(path: str, user: bytes, password: bytes, host: bytes, *, elsewhere: str = "") -> Excerpt:
    """Return a URL; its twin has a password that was drawn, and a host that is somebody's."""
    text = b'url = "http://' + user + b":" + password + b"@" + host + b'/a/b"\n'
    twin = b'url = "http://' + user + b":" + PASSWORD + b'@git.shop.se/a/b"\n'
    return Excerpt("url-credentials", path, text, twin, elsewhere)


def netrc(path: str, before: bytes, password: bytes, *, elsewhere: str = "") -> Excerpt:
    return Excerpt("netrc", path, before + password + b"\n", before + PASSWORD + b"\n", elsewhere)


def put(kind: str, path: str, before: bytes, text: bytes, twin: bytes, after: bytes = b"\n") -> Excerpt:
    return Excerpt(kind, path, before + text + after, before + twin + after)


def signed(key: bytes) -> bytes:
    """Return a web token that a key has signed (RFC 7519)."""
    parts = (b'{"alg":"HS256","typ":"JWT"}', b'{"some":"payload"}')
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return text + b"." + base64.urlsafe_b64encode(hmac.digest(key, text, "sha256")).rstrip(b"=")


EXCERPTS = {
    "git: test.netrc": netrc(DOC, b"machine imap2 login bob passw" + b"ord ", b"bobwillknow", elsewhere="root/.netrc"),
    "Go: netrc_test.go": netrc(
        GO + "cmd/go/internal/auth/netrc_test.go",
        b"machine after.default\nlogin oops\npassw" + b"ord ",
        b"too-late-in-file",
        elsewhere="srv/netrc.go",
    ),
    "Go: mod_auth.txt": netrc(
        GO + "cmd/go/testdata/script/mod_auth.txt",
        b"machine vcs-test.golang.org\n\tlogin aladdin\n\tpassw" + b"ord ",
        b"opensesame",
    ),
    "Go: client_test.go": url(GO + "net/http/client_test.go", b"My%20User", b"My%20Pass", b"git.shop.se"),
    "Go: a slash": url(GO + "net/http/client_test.go", b"user", b"pa%2Fssword", b"git.shop.se"),
    "Go: an at": url(GO + "net/url/url_test.go", b"jane", b"p%40ssword", b"git.shop.se"),
    "Go: a question mark": url(GO + "net/url/url_test.go", b"%3Fam", b"pa%3Fsword", b"git.shop.se"),
    "Go: no top-level domain": url(GO + "net/http/client_test.go", b"a", b"s0me%20Thing", b"dummy.faketld"),
    "Tcl: http.tm": url("usr/share/tcltk/tcl8.6/tcl8/http-2.9.8.tm", b"jschmoe", b"xyzzy", b"www.bogus.net:8000"),
    "hyperlink: zeros": url(PYTHON + "hyperlink/test/test_parse.py", b"%75%73", b"%00%00%00%00", b"xn--bcher-kva.ch"),
    "hyperlink: a word": url(
        PYTHON + "hyperlink/test/test_url.py", b"wiki", b"pedia", b"hatnote.com", elsewhere="srv/app/test/test_url.py"
    ),
    "binutils: CVS": url("usr/share/doc/binutils/copyright", b"", b"pserver:anoncvs", b"sources.redhat.com"),
    "Dovecot: oauth2": url(
        "usr/share/doc/dovecot-core/wiki/PasswordDatabase", b"adminuser", b"adminpass", b"server.se"
    ),
    "Mojolicious: Mojo::URL": url("usr/share/man/man3/Mojo::URL.3pm", b"isabel", b"s:3:c:r:e:t", b"mojolicious.org"),
    "LWP: changelog": url("usr/share/doc/libwww-perl/changelog", b"proxyuser", b"proxypass", b"proxyhost.se"),
    "Twisted: test_xmlrpc.py": url(PYTHON + "twisted/web/test/test_xmlrpc.py", b"wrong", b"info", b"127.0.0.1"),
    "Maven: settings.xml": put(
        "password-file", "etc/maven/settings.xml", b"<password>", b"repopwd", PASSWORD, b"</password>\n"
    ),
    "npm: npmrc(5)": put(
        "npm-password", "usr/share/man/man5/npmrc.5", b"//npm.shop.se/:_authToken=", b"MYTOKEN", PASSWORD
    ),
    "PyJWT: documentation": put(
        "jwt",
        "usr/share/doc/python3-jwt/usage.rst",
        b">>> encoded\n",
        signed(b"secret"),
        signed(PASSWORD),
    ),
    "cryptography: byte code": put(
        "private-key",
        PYTHON + "cryptography/serialization/__pycache__/ssh.cpython-311.pyc",
        b"\xa7\r\r\n\0\0\0\0z#",
        OPENSSH + b"z!" + OPENSSH.replace(b"BEGIN", b"END"),
        secrets.pem("openssh"),
    ),
    "systemd: an example": put(
        "wireguard-key",
        "usr/share/man/man5/systemd.netdev.5",
        b"PrivateKey=",
        b"<base64>",
        base64.b64encode(secrets.der()[60:92]),
    ),
}


def found(path: str, content: bytes) -> list[str]:
    """Return the kinds of what is found in a file, alone and among others."""
    padded = file("usr/share/doc/a", b"nothing\n"), file(path, content), file("usr/bin/a", b"\x7fELF\0\xff")
    kinds = [
        [one.kind for one in scan.layer(((e, io.BytesIO(data)) for e, data in members), name="l").findings]
        for members in ((file(path, content),), padded)
    ]
    assert kinds[0] == kinds[1]
    return kinds[0]


@pytest.mark.parametrize("name", EXCERPTS)
def test_what_a_package_shows_is_no_alarm(name: str) -> None:
    assert found(EXCERPTS[name].path, EXCERPTS[name].text) == []


@pytest.mark.parametrize("name", EXCERPTS)
def test_what_somebody_would_have_written_there_is_found(name: str) -> None:
    assert set(found(EXCERPTS[name].path, EXCERPTS[name].twin)) == {EXCERPTS[name].kind}


@pytest.mark.parametrize("name", [name for name, excerpt in EXCERPTS.items() if excerpt.elsewhere])
def test_the_same_words_in_an_application_are_found(name: str) -> None:
    assert found(EXCERPTS[name].elsewhere, EXCERPTS[name].text) == [EXCERPTS[name].kind]


def test_each_published_secret_has_its_package_path_and_reason() -> None:
    rows = [(package, directory, why, *row) for package, directory, why, every in EXAMPLES + LEAKED for row in every]
    assert all(package and directory.startswith("usr/") and path and why for package, directory, why, _, path in rows)
    hashes = [sha256 for _, _, _, sha256, _ in rows]
    assert len(set(hashes)) == len(hashes)
    assert all(len(sha256) == 64 and int(sha256, 16) for sha256 in hashes)


PACKAGES = ("git", "libtcl8.6", "python3-jwt", "python3-hyperlink", "openvpn", "puma", "libio-socket-ssl-perl", "maven")


@pytest.mark.archive
def test_packages_of_the_archive_raise_no_alarm(tmp_path: Path) -> None:
    """Few that are small and did; `make alarms` searches more than a thousand."""
    subprocess.run(["apt-get", "--quiet=2", "download", *PACKAGES], cwd=tmp_path, check=True)
    debs = sorted(tmp_path.glob("*.deb"))
    assert len(debs) == len(PACKAGES)
    assert list(alarms.alarms(debs)) == []
