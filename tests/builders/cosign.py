"""The real cosign, from Debian: its package is fetched with an APT state of its own and unpacked, not installed."""

from __future__ import annotations

import fcntl
import functools
import os
import subprocess
from pathlib import Path

import attrs
import pytest

from imgforge.oci import document

PASSPHRASE = "correct horse"
NO_SERVICES = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}
"""A trusted root without services, which keeps cosign from asking Sigstore's for theirs."""


class UnavailableError(Exception):
    """A suite's cosign cannot be had, or does not run here."""


@attrs.frozen
class Answer:
    code: int
    text: str


@attrs.frozen
class Cosign:
    """A cosign of one version, at work in a directory of its own."""

    program: Path
    place: Path
    major: int

    def run(self, *words: str) -> Answer:
        environment = {"HOME": str(self.place), "PATH": os.environ["PATH"], "COSIGN_PASSWORD": PASSPHRASE}
        done = subprocess.run(
            [self.program, *words], cwd=self.place, env=environment, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout + done.stderr)

    def must(self, *words: str) -> str:
        answer = self.run(*words)
        assert answer.code == 0, answer.text
        return answer.text

    def generate(self, name: str) -> Path:
        self.must("generate-key-pair", "--output-key-prefix", name)
        return self.place / name

    def sign(self, image: str, key: Path, *extra: str) -> None:
        self.must("sign", "--key", str(key), *self._quiet(), "--allow-http-registry", "--yes", *extra, image)

    def attest(self, image: str, key: Path, predicate: Path, *, predicate_type: str, bundle: bool) -> None:
        form = f"--new-bundle-format={str(bundle).lower()}"
        words = ("attest", "--key", str(key), *self._quiet(), "--allow-http-registry", "--yes", form)
        self.must(*words, "--predicate", str(predicate), "--type", predicate_type, image)

    def verify(self, image: str, key: Path, *, bundle: bool) -> Answer:
        words = (
            "verify",
            "--key",
            str(key),
            "--insecure-ignore-tlog",
            "--allow-http-registry",
            *self._form(bundle=bundle),
        )
        return self.run(*words, image)

    def verify_attestation(self, image: str, key: Path, *, predicate_type: str, bundle: bool) -> Answer:
        words = ("verify-attestation", "--key", str(key), "--insecure-ignore-tlog", "--allow-http-registry")
        return self.run(*words, *self._form(bundle=bundle), "--type", predicate_type, image)

    def _form(self, *, bundle: bool) -> tuple[str, ...]:
        root = self.place / "root.json"
        root.write_bytes(document.dump(NO_SERVICES))
        return ("--new-bundle-format=true", "--trusted-root", str(root)) if bundle else ("--new-bundle-format=false",)

    def _quiet(self) -> tuple[str, ...]:
        return ("--tlog-upload=false",) if self.major < 3 else ("--tlog-upload=false", "--use-signing-config=false")


def obtain(suite: str, cache: Path) -> Path:
    """Return the program of a suite of Debian; it stays in the cache for the next time."""
    cache.mkdir(parents=True, exist_ok=True)
    program = cache / "tree" / "usr" / "bin" / "cosign"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _unpack(suite, cache)
    return program


def at_work(program: Path, place: Path) -> Cosign:
    place.mkdir(parents=True, exist_ok=True)
    return Cosign(program, place, _major(program))


@functools.cache
def _major(program: Path) -> int:
    told = subprocess.run(
        ["dpkg-deb", "-f", next(program.parents[3].glob("*.deb")), "Version"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(told.stdout.partition(".")[0])


def _site() -> str:
    """Return where this machine has Debian from."""
    form = "$(ORIGIN)|$(RELEASE)|$(CODENAME)|$(SITE)"
    listing = subprocess.run(["apt-get", "indextargets", "--format", form], capture_output=True, text=True, check=True)
    rows = [line.split("|") for line in listing.stdout.splitlines()]
    sites = [row[3] for row in rows if row[0] == "Debian" and row[1] == row[2] and "-" not in row[1]]
    if not sites:
        raise UnavailableError("this machine's APT configuration names no Debian")
    return sites[0]


def _unpack(suite: str, cache: Path) -> None:
    for name in ("state/lists/partial", "cache/archives/partial"):
        (cache / name).mkdir(parents=True, exist_ok=True)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (cache / "sources.list").write_text(f"deb [signed-by={keyring}] {_site()} {suite} main\n")
    settings = {
        "Dir::State": cache / "state",
        "Dir::State::lists": cache / "state" / "lists",
        "Dir::Cache": cache / "cache",
        "Dir::Etc::sourcelist": cache / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    for words in (["update"], ["download", "cosign"]):
        done = subprocess.run(["apt-get", *options, *words], cwd=cache, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"cosign of {suite}: {done.stderr.strip()[-300:]}")
    archive = next(cache.glob("cosign_*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, cache / "new"], check=True)
    (cache / "new").rename(cache / "tree")


def fixture(suite: str, cache: Path) -> Path:
    """Return a suite's program, or skip the test where it cannot be had or does not run."""
    try:
        program = obtain(suite, cache)
        subprocess.run([program, "version"], capture_output=True, check=True, timeout=60)
    except (UnavailableError, OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"cosign of {suite}: {str(error)[:300]}")
    return program
