"""Planted secrets: one image for each, in all the places and encodings that a person would think of."""

from __future__ import annotations

import base64
import io
import itertools
import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from builders import secrets
from builders.secrets import pem, token
from builders.trees import Pair, file, symlink, whiteout
from privacy import archive

from imgforge.oci.config import ImageConfig
from imgforge.privacy import scan
from imgforge.privacy.finding import Finding
from imgforge.privacy.hosts import Hosts
from imgforge.tree import Entry, Kind

HOST = "build-7.ci.internal.example.org"
PROXY = "http://webproxy.eqiad.example.org:8080"
HOSTS = Hosts.of([HOST, "builder42-a"], proxies=[PROXY])

NOISE = "".join(f"line {number}: nothing to be seen in it\n" for number in range(200)).encode()
PASSWORD = secrets.drawn(18, seed="password").encode()


@attrs.frozen
class Plant:
    """A secret in an image.

    Attributes:
        kind: what it must be found as.
        layers: members of each, lowest first.
        config: members of the image's config.
        annotations: of its manifest.
    """

    kind: str
    layers: tuple[tuple[Pair, ...], ...] = ()
    config: dict[str, Any] = attrs.field(factory=dict)
    annotations: tuple[tuple[str, str], ...] = ()

    def found(self) -> tuple[Finding, ...]:
        """Search the image."""
        results = [
            scan.layer(((entry, Once(data)) for entry, data in members), name=f"layer {number}", hosts=HOSTS)
            for number, members in enumerate(self.layers, 1)
        ]
        results.append(scan.config(image_config(self.config), annotations=self.annotations, hosts=HOSTS))
        return tuple(itertools.chain.from_iterable(result.findings for result in results))


class Once(io.BytesIO):
    """A content as a tar's member gives it: it is read once, in pieces."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is not None and 0 <= size < 1 << 20 else 1 << 20)

    def seek(self, *_where: int) -> int:
        raise io.UnsupportedOperation("seek")


def image_config(members: dict[str, Any]) -> ImageConfig:
    made = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, **members}
    return ImageConfig.parse(json.dumps(made).encode(), what="config")


def one(kind: str, path: str, content: bytes) -> Plant:
    """Return a secret that is a file among others."""
    return Plant(kind, ((file("etc/hosts", NOISE), file(path, content), file("usr/bin/true", b"\x7fELF" + bytes(64))),))


def among(secret: bytes) -> bytes:
    return NOISE + b"value: " + secret + b"\n" + NOISE


def _kube(secret: str) -> bytes:
    return f"apiVersion: v1\nkind: Config\nclusters: []\nusers:\n- name: admin\n  user:\n    {secret}\n".encode()


def _keys() -> Iterator[tuple[str, Plant]]:
    for form in ("pkcs8", "pkcs1", "sec1", "ed25519", "encrypted", "legacy", "openssh", "openssh-ed25519"):
        yield f"pem {form}", one("private-key", "srv/key", among(pem(form)))
    for form in ("pkcs8", "pkcs1", "sec1", "ec", "ed25519"):
        yield f"der {form}", one("private-key", "srv/key.der", secrets.der(form))
    armored, binary = secrets.pgp()
    yield "pgp armored", one("pgp-private-key", "root/key.asc", armored)
    yield "pgp binary", one("pgp-private-key", "root/.gnupg/secring.gpg", binary)
    yield "gpg-agent", one("pgp-private-key", "root/.gnupg/private-keys-v1.d/A.key", secrets.gpg_agent())
    yield "putty", one("putty-key", "home/app/key.ppk", secrets.putty())
    yield "age", one("age-key", "root/.config/sops/age/keys.txt", among(secrets.age()))
    yield "pkcs12", one("pkcs12", "srv/app.p12", secrets.p12())
    yield "jks", one("java-keystore", "srv/app.jks", secrets.java())
    yield "jceks", one("java-keystore", "srv/app.jceks", secrets.java(magic=b"\xce\xce\xce\xce"))


def _tokens() -> Iterator[tuple[str, Plant]]:
    kinds = {
        "github": "github-token", "github-app": "github-token", "github-fine": "github-token", "gitlab": "gitlab-token",
        "gitlab-deploy": "gitlab-token", "aws-id": "aws-access-key", "aws-session": "aws-access-key",
        "gcp-api": "gcp-api-key", "slack": "slack-token", "slack-hook": "slack-webhook", "npm": "npm-token",
        "pypi": "pypi-token", "stripe": "stripe-key", "dockerhub": "docker-token", "vault": "vault-token",
    }  # fmt: skip
    for name, kind in kinds.items():
        yield f"token {name}", one(kind, "srv/app/settings.py", among(token(name)))
    credentials = b"[default]\naws_secret_access_key = " + token("aws-secret") + b"\n"
    yield "aws credentials", one("aws-secret-key", "root/.aws/credentials", credentials)
    answer = json.dumps({"SecretAccessKey": token("aws-secret").decode()}).encode()
    yield "aws answer", one("aws-secret-key", "tmp/answer.json", answer)
    yield "gcp account", one("private-key", "srv/gcp.json", secrets.gcp_account())
    yield "jwt", one("jwt", "var/run/secrets/token", secrets.jwt())


def _credentials() -> Iterator[tuple[str, Plant]]:
    yield from _machine_credentials()
    yield from _program_credentials()


def _machine_credentials() -> Iterator[tuple[str, Plant]]:
    password = PASSWORD
    yield "netrc", one("netrc", "root/.netrc", b"machine git.shop.se login deploy password " + password + b"\n")
    yield "netrc on lines", one("netrc", "root/.netrc", b"machine git.shop.se\n  login deploy\n  password " + password)
    yield (
        "apt auth",
        one("apt-credentials", "etc/apt/auth.conf.d/a.conf", b"machine a.shop.se login a password " + password),
    )
    source = b"deb https://deploy:" + password + b"@apt.shop.se/debian bookworm main\n"
    yield "apt source", one("apt-credentials", "etc/apt/sources.list", source)
    yield (
        "git credentials",
        one("git-credentials", "root/.git-credentials", b"https://a:" + password + b"@git.shop.se\n"),
    )
    yield (
        "git remote",
        one("url-credentials", "srv/app/.git/config", b"\turl = https://a:" + password + b"@git.shop.se/x\n"),
    )


def _program_credentials() -> Iterator[tuple[str, Plant]]:
    password, text = PASSWORD, PASSWORD.decode()
    encoded = base64.b64encode(b"deploy:" + password)
    auths = json.dumps({"auths": {"registry.shop.se": {"auth": encoded.decode()}}}).encode()
    yield "docker config", one("docker-auth", "root/.docker/config.json", auths)
    yield "npmrc", one("npm-password", "root/.npmrc", b"//npm.shop.se/:_authToken=" + password + b"\n")
    yield "npmrc basic", one("npm-password", "root/.npmrc", b"//npm.shop.se/:_auth=" + encoded + b"\n")
    yield "pypirc", one("password-file", "root/.pypirc", b"[pypi]\nusername = a\npassword = " + password + b"\n")
    yield "env file", one("secret-variable", "srv/app/.env", b"DB_HOST=db\nDB_PASSWORD=" + password + b"\n")
    yield "pgpass", one("password-file", "root/.pgpass", b"db.shop.se:5432:shop:shop:" + password + b"\n")
    yield "my.cnf", one("password-file", "root/.my.cnf", b"[client]\npassword=" + password + b"\n")
    yield (
        "maven",
        one("password-file", "root/.m2/settings.xml", b"<server><password>" + password + b"</password></server>"),
    )
    basic = json.dumps({"http-basic": {"repo.shop.se": {"username": "a", "password": text}}}).encode()
    yield "composer", one("password-file", "root/.composer/auth.json", basic)
    yield "erlang cookie", one("erlang-cookie", "var/lib/rabbitmq/.erlang.cookie", b"QWZXKLMPOIUYTREWQASD")
    yield "shell history", one("shell-history", "root/.bash_history", b"ls\nmysql -p hunter\n")
    yield "python history", one("shell-history", "home/app/.python_history", b"import os\n")
    yield (
        "shadow",
        one("password-hash", "etc/shadow", b"root:$y$j9T$" + password + b"$" + password + b":19000:0:99999:7:::\n"),
    )
    key = base64.b64encode(pem()).decode()
    yield "kubeconfig key", one("kubeconfig", "root/.kube/config", _kube(f"client-key-data: {key}"))
    yield "kubeconfig token", one("kubeconfig", "root/.kube/config", _kube(f"token: {text}{text}"))


def _encodings() -> Iterator[tuple[str, Plant]]:
    key, github = pem(), token("github")
    wrapped = base64.encodebytes(key)
    source = b"KEY = (\n" + b"".join(b'    "%s\\n"\n' % line for line in key.splitlines()) + b")\n"
    added = b" +\n".join(b"  '%s\\n'" % line for line in key.splitlines())
    texts: dict[str, tuple[str, bytes]] = {
        "base64": ("private-key", among(base64.b64encode(key))),
        "base64 in lines": ("private-key", wrapped),
        "base64 of a token": ("github-token", b'{"data": {"token": "' + base64.b64encode(github) + b'"}}'),
        "base64 of a line": ("github-token", base64.b64encode(b"a: 1\ntoken: " + github + b"\nb: 2\n")),
        "base64 not at its beginning": ("github-token", b"data:/a/" + base64.b64encode(b"x" * 20 + github)),
        "base64 after a path": ("github-token", b"https:/srv/app/data/blob/" + base64.b64encode(b"token " + github)),
        "base64 twice": ("github-token", base64.b64encode(base64.b64encode(b"token = " + github + b"\n" * 9))),
        "hex": ("private-key", key.hex().encode()),
        "hex in lines": ("github-token", "\n".join(textwrap.wrap((b"token " + github).hex(), 60)).encode()),
        "upper case hex": ("github-token", among(github.hex().upper().encode())),
        "utf-16": ("private-key", key.decode().encode("utf-16")),
        "utf-16 big-endian": ("github-token", ("token=" + github.decode()).encode("utf-16-be")),
        "utf-16 among binary": (
            "github-token",
            b"\xff\x01" * 99 + github.decode().encode("utf-16-le") + b"\x01\xff" * 99,
        ),
        "json escapes": ("private-key", json.dumps({"key": key.decode()}).encode()),
        "json in json": ("private-key", json.dumps(json.dumps({"key": key.decode()})).encode()),
        "carriage returns": ("private-key", key.replace(b"\n", b"\r\n")),
        "indented": ("private-key", textwrap.indent(key.decode(), "      ").encode()),
        "python source": ("private-key", source),
        "javascript source": ("private-key", added),
        "der in base64": ("private-key", base64.b64encode(secrets.der())),
        "key store in base64": ("java-keystore", b"data:\n  store.jks: " + base64.b64encode(secrets.java()) + b"\n"),
        "url": ("github-token", b"git clone https://" + github + b"@github.com/shop/shop\n"),
    }
    for name, (kind, text) in texts.items():
        yield name, one(kind, "srv/app/data", text)


def _archives() -> Iterator[tuple[str, Plant]]:
    key, tar = pem(), archive.tarred("package/key.pem", pem())
    two = archive.zipped("lib/inner.jar", archive.zipped("key.pem", key))
    files = {
        "zip": archive.zipped("key.pem", key),
        "stored zip": archive.zipped("key.pem", key, stored=True),
        "wheel": archive.zipped("shop/key.pem", key),
        "war with a jar": two,
        "jar in a war in a deb": archive.deb("usr/share/shop.war", two),
        "tar": tar,
        "npm package": archive.packed(tar, "gz"),
        "tar.xz": archive.packed(tar, "xz"),
        "tar.bz2": archive.packed(tar, "bz2"),
        "tar.zst": archive.packed(tar, "zst"),
        "gem": archive.tarred("data.tar.gz", archive.packed(tar, "gz")),
        "one file in gz": archive.packed(key, "gz"),
        "deb": archive.deb("etc/ssl/key.pem", key),
        "old deb": archive.deb("etc/ssl/key.pem", key, compression="gzip"),
        "script of a deb": archive.deb_script(b"cat > /etc/key <<EOF\n" + key + b"EOF\n"),
        "comment of a zip": archive.zipped("a", b"nothing", comment=key),
        "after a zip": archive.zipped("a", b"nothing") + key,
        "before a zip": key + archive.zipped("a", b"nothing"),
    }
    for name, content in files.items():
        yield name, one("private-key", "srv/archive", content)


def _places() -> Iterator[tuple[str, Plant]]:
    key, github = pem(), token("github")
    yield "deleted above", Plant("private-key", ((file("root/key", key),), (whiteout("root/key"),)))
    yield "replaced above", Plant("private-key", ((file("root/key", key),), (file("root/key", b"gone"),)))
    large = bytes(range(256)) * 8
    for offset in (-2000, -600, -30, -1, 0, 1):
        content = (large * 4096)[: scan.WINDOW + offset] + key + large
        yield f"across windows {offset}", one("private-key", "srv/large", content)
    yield "at the end of a large file", one("github-token", "srv/large", large * 5000 + b"\0" + github)
    yield "whole file", one("github-token", "srv/token", github)
    yield "in a program", one("github-token", "usr/bin/app", b"\x7fELF" + large + b"\0" + github + b"\0" + large)
    yield "in a name", Plant("github-token", ((file(f"srv/{github.decode()}.txt", b"x"),),))
    yield "in a link", Plant("github-token", ((symlink("srv/x", f"https://{github.decode()}@github.com"),),))
    noted = Entry("srv/x", Kind.FILE, size=1, xattrs=(("user.origin", github),))
    yield "in an attribute", Plant("github-token", (((noted, b"x"),),))


def _configs() -> Iterator[tuple[str, Plant]]:
    github, password = token("github").decode(), PASSWORD.decode()
    said: dict[str, tuple[str, dict[str, Any]]] = {
        "env": ("github-token", {"config": {"Env": [f"GH={github}"]}}),
        "env by its name": ("secret-variable", {"config": {"Env": [f"DB_PASSWORD={password}"]}}),
        "env base64": ("github-token", {"config": {"Env": [f"X={base64.b64encode(github.encode()).decode()}"]}}),
        "label": ("github-token", {"config": {"Labels": {"org.example.note": f"see {github}"}}}),
        "command": ("github-token", {"config": {"Cmd": ["run", f"--token={github}"]}}),
        "health check": ("github-token", {"config": {"Healthcheck": {"Test": ["CMD", "curl", f"-H{github}"]}}}),
        "history": ("secret-variable", {"history": [{"created_by": f"ARG API_TOKEN={password}", "empty_layer": True}]}),
        "history's comment": ("github-token", {"history": [{"comment": github, "empty_layer": True}]}),
        "env proxy": ("proxy-setting", {"config": {"Env": ["https_proxy=http://10.64.0.9:8080"]}}),
        "env of the build's proxy": ("build-proxy", {"config": {"Env": [f"X={PROXY}/"]}}),
    }
    for name, (kind, members) in said.items():
        yield name, Plant(kind, (), members)
    yield "annotation", Plant("github-token", annotations=(("org.example.note", github),))


def _host() -> Iterator[tuple[str, Plant]]:
    conf = b'Acquire::http::Proxy "http://cache.shop.se:3142";\n'
    files: dict[str, tuple[str, str, bytes]] = {
        "host's name": ("build-host", "var/log/build.log", b"built on " + HOST.encode() + b" today\n"),
        "host's name in capitals": ("build-host", "etc/motd", b"welcome to " + HOST.upper().encode() + b"\n"),
        "host's short name": ("build-host", "etc/motd", b"builder42-a\n"),
        "host's name in utf-16": ("build-host", "srv/x", f"on {HOST}!".encode("utf-16-le")),
        "host's name in base64": ("build-host", "srv/x", base64.b64encode(f"built on {HOST}".encode())),
        "proxy": ("build-proxy", "srv/pip.conf", b"proxy = " + PROXY.encode() + b"\n"),
        "apt's proxy": ("proxy-setting", "etc/apt/apt.conf.d/99proxy", conf),
        "environment's proxy": ("proxy-setting", "etc/environment", b"http_proxy=http://10.0.0.1:3128/\n"),
    }
    for name, (kind, path, content) in files.items():
        yield name, one(kind, path, content)


GROUPS: tuple[Callable[[], Iterator[tuple[str, Plant]]], ...] = (
    _keys, _tokens, _credentials, _encodings, _archives, _places, _configs, _host,
)  # fmt: skip
