"""GnuPG with a home directory of its own: keys and signatures as archives have them."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

from builders.archives import NOW

TEXT = b"Suite: stable"  # a cleartext signature does not cover the last line break


@attrs.frozen
class Gpg:
    """GnuPG with a home directory of its own and a clock of the test's."""

    home: Path

    def run(self, *arguments: str, at: int = NOW, data: bytes = b"") -> bytes:
        moment = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y%m%dT%H%M%S")
        options = ["--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time", moment]
        command = ["gpg", "--homedir", str(self.home), *options, *arguments]
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def make(
        self, name: str, *, usage: str = "cert", options: Sequence[str] = (), at: int = NOW, algorithm: str = "ed25519"
    ) -> str:
        """Make a key that does not expire and return its fingerprint."""
        self.run(*options, "--quick-generate-key", f"{name}@example.org", algorithm, usage, "0", at=at)
        return self.fingerprints(name)[0]

    def fingerprints(self, name: str) -> list[str]:
        listing = self.run("--with-colons", "--list-keys", f"{name}@example.org").decode()
        return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr")]

    def sign(self, key: str, *, at: int = NOW, data: bytes = TEXT, digest: str = "SHA512") -> bytes:
        return self.run("--local-user", f"{key}!", "--digest-algo", digest, "--clear-sign", at=at, data=data)

    def sign_detached(self, key: str, *, at: int = NOW, data: bytes = TEXT) -> bytes:
        return self.run("--local-user", f"{key}!", "--armor", "--detach-sign", at=at, data=data)

    def export(self, *names: str) -> bytes:
        return b"".join(self.run("--export", f"{name}@example.org") for name in names)
