"""An error shows nothing of a file that is not what it should be: its name may be a link to somebody else's file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders import servers

from imgforge.cli.main import main

pytestmark = pytest.mark.attack

SECRET = "hunter2hunter2"
_SEALED = "ENCRYPTED SIGSTORE PRIVATE KEY"

FILES = {
    "shadow": f"root:$y$j9T${SECRET}:19000:0:99999:7:::\nbin:*:1:0:9:7:::\n",
    "environment": f"PASSWORD={SECRET}\nX=1\n",
    "netrc": f"machine h login u password {SECRET}\n",
    "ini": f"[default]\naws_secret_access_key = {SECRET}\n",
    "pem": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
    "docker": f'{{"auths":{{"h":{{"auth":"{SECRET}"}}}}}}',
    "docker, broken": f'{{"auths":{{"h":{{"auth":"{SECRET}" oops}}}}}}',
    "yaml, broken": f"password: {SECRET}\nother: {{\n",
    "tabs": f"a:\t{SECRET}: b\n\tc\n",
    "alias": f"*{SECRET}\n",
    "anchor": f"a: *{SECRET}\n",
    "tag": f"!{SECRET} x\n",
    "handle": f"!{SECRET}!x y\n",
    "directive": f"%{SECRET}\n---\n",
    "escape": f'"\\{SECRET}"\n',
    "duplicate": f"{SECRET}: 1\n{SECRET}: 2\n",
    "key": f"{SECRET}: 1\n",
    "list": f"- {SECRET}\n",
    "list as key": f"[{SECRET}]: 1\n",
    "merge": f"<<: {SECRET}\n",
    "word": SECRET,
    "two documents": f"a: {SECRET}\n---\n{SECRET}\n",
    "nul": f"{SECRET}\0\1",
    "latin": f"{SECRET}é",
    "at": f"@{SECRET}",
    "tick": f"`{SECRET}",
    "number": f"1{SECRET}: 1\n1: {SECRET}\n",
    "pgp": f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{SECRET}\n-----END PGP PUBLIC KEY BLOCK-----\n",
    "sources": f"deb https://u:{SECRET}@example.org/ x main\n",
    "cosign": f"-----BEGIN {_SEALED}-----\n{SECRET}\n-----END {_SEALED}-----\n",
}
_MANIFEST = "imgforge: 1\nname: good\nbase: scratch\npackages: [a]\n"
_SOURCES = "sources: {d: {suites: [bookworm], components: [main], uris: ['file:/nowhere'], signed-by: key.asc}}\n"
_IMAGE = f"docker://127.0.0.1:1/a@sha256:{'0' * 64}"

Act = Callable[[Path, pytest.MonkeyPatch], list[str]]


def _manifest(place: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    (place / "manifest.yaml").symlink_to(place / "secret")
    return ["plan", str(place / "manifest.yaml")]


def _lock(place: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    (place / "good.yaml").write_text(_MANIFEST)
    (place / "good.lock.json").symlink_to(place / "secret")
    return ["build", "--locked", str(place / "good.yaml")]


def _signing_key_of_a_source(place: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    (place / "good.yaml").write_text(_MANIFEST + _SOURCES)
    (place / "key.asc").symlink_to(place / "secret")
    return ["lock", "--offline", str(place / "good.yaml")]


def _policy(place: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    (place / "good.yaml").write_text(_MANIFEST)
    return ["check", str(place / "good.yaml"), "--policy", str(place / "secret")]


def _configuration(place: Path, patch: pytest.MonkeyPatch) -> list[str]:
    patch.setenv("IMGFORGE_CONFIG", str(place / "secret"))
    return ["images"]


def _private_key(place: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    return ["sign", _IMAGE, "--key", str(place / "secret")]


def _public_key(place: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    return ["verify", _IMAGE, "--key", f"file:{place / 'secret'}"]


def _credentials(place: Path, patch: pytest.MonkeyPatch) -> list[str]:
    patch.setenv("REGISTRY_AUTH_FILE", str(place / "secret"))
    return ["list", f"docker://{os.environ['HOST']}/a"]


def _lock_to_compare(place: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    (place / "a.lock.json").symlink_to(place / "secret")
    return ["diff", str(place / "a.lock.json"), str(place / "a.lock.json")]


def _layout(place: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    for name in ("oci-layout", "index.json"):
        (place / name).symlink_to(place / "secret")
    return ["inspect", f"oci:{place}:a"]


def _archive(place: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    return ["inspect", f"oci-archive:{place / 'secret'}:a"]


ACTS: tuple[Act, ...] = (
    _manifest,
    _lock,
    _signing_key_of_a_source,
    _policy,
    _configuration,
    _private_key,
    _public_key,
    _credentials,
    _lock_to_compare,
    _layout,
    _archive,
)


@pytest.fixture(scope="module", autouse=True)
def _registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Name a registry that has nothing."""
    with servers.serve(tmp_path_factory.mktemp("registry")) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOST", server.url.removeprefix("http://").rstrip("/"))
        yield


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__.strip("_"))
@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_nothing_of_it_is_shown(
    text: str, act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text(text, encoding="latin-1")
    for name in ("STORE", "CACHE"):
        monkeypatch.setenv(f"IMGFORGE_{name}", str(tmp_path / "places" / name))
    code = main(act(tmp_path, monkeypatch))
    printed = "".join(capsys.readouterr())
    assert SECRET not in printed
    assert SECRET.upper() not in printed
    assert code in {2, 5, 6, 7, 10}, printed
