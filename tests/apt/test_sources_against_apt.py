"""Files of sources as this machine's own APT reads them: what it would fetch is what ours says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from imgforge.apt import sources
from imgforge.apt.sources import Source, SourcesError

URI = "http://mirrors.example/debian"
STANZA = f"Types: deb\nURIs: {URI}\nSuites: stable\n three\nComponents: main\n"
ARCHITECTURES = ("amd64", "i386")

READ = {
    "one line": ("x.list", f"deb {URI} stable main contrib # words\n"),
    "CRLF in lines": ("x.list", f"deb {URI} stable main\r\ndeb {URI} two main\r\n"),
    "CRLF in stanzas": ("x.sources", f"{STANZA}\n# words\n{STANZA.replace('stable', 'two')}\n\n".replace("\n", "\r\n")),
    "the URI itself": ("x.list", f"deb {URI} /\n"),
    "the URI itself, in a stanza": ("x.sources", f"Types: deb\nURIs: {URI}\nSuites: /\n"),
    "a flat suite": ("x.list", f"deb {URI} here/\n"),
    "a disc": ("x.list", f"deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ 20230610-10:23]/ x main\ndeb {URI} y main\n"),
    "brackets of an address": ("x.list", "deb http://[::1]/a stable main\n"),
    "without one": ("x.list", f"deb [arch-=i386] {URI} stable main\n"),
    "without our own": ("x.list", f"deb [arch-=amd64] {URI} stable main\n"),
    "with another": ("x.list", f"deb [arch+=i386] {URI} stable main\n"),
    "named, and one less": ("x.list", f"deb [arch=amd64,i386 arch-=amd64] {URI} stable main\n"),
    "named, and one more": ("x.sources", f"{STANZA}Architectures: i386\nArchitectures-Add: amd64\n"),
    "one less, in a stanza": ("x.sources", f"{STANZA}Architectures-Remove: amd64\n"),
    "no URI, not enabled": (
        "x.sources",
        sources.dump(Source("x", ("stable",), ("main",), (), signed_by=("/k",)), signed_by="/k"),
    ),
    "consents": ("x.sources", f"{STANZA}X-Allow-Suite-Mismatch: yes\nX-Allow-Weak-Key: yes\n"),
    "disabled": ("x.sources", f"Enabled: Off\n{STANZA}\n{STANZA.replace('stable', 'two')}"),
}
REFUSED = {
    "nonsense": ("x.list", f"deb {URI} stable main\nnonsense\n"),
    "no components": ("x.list", f"deb {URI} stable\n"),
    "half an address": ("x.list", "deb http://[x stable main\n"),
}


def _apt(root: Path, name: str, text: str) -> subprocess.CompletedProcess[str]:
    """Ask APT, in a root of its own, what it would fetch; nothing is fetched."""
    if shutil.which("apt-get") is None:
        pytest.skip("needs APT")
    for directory in ("state/lists/partial", "cache/archives/partial", "etc/sources.list.d"):
        (root / directory).mkdir(parents=True)
    (root / "status").touch()
    (root / "etc/sources.list.d" / name).write_bytes(text.encode())
    settings = {
        **{f"Dir::Etc::{part}": "/dev/null" for part in ("sourcelist", "main", "parts")},
        "Dir::State": root / "state",
        "Dir::State::status": root / "status",
        "Dir::Cache": root / "cache",
        "Dir::Etc": root / "etc",
        "APT::Architecture": "amd64",
        "APT::Architectures": ",".join(ARCHITECTURES),
    }
    options = [f"-o{key}={value}" for key, value in settings.items()]
    command = ["apt-get", *options, "update", "--print-uris"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _places(source: Source) -> set[str]:
    """Return the directories of a source's indices, where a URI that is no disc says so."""
    bases = [uri for uri in source.uris if not uri.startswith("cdrom:")]
    flat = {f"{base}/{suite}".rstrip("/") for base in bases for suite in source.suites if suite.endswith("/")}
    return flat | {
        f"{base}/dists/{suite}/{component}/binary-{architecture}"
        for base in bases
        for suite in source.suites
        for component in source.components
        for architecture in ARCHITECTURES
        if source.has(architecture)
    }


@pytest.mark.parametrize("case", READ)
def test_apt_would_fetch_what_is_read(case: str, tmp_path: Path) -> None:
    name, text = READ[case]
    done = _apt(tmp_path, name, text)
    assert done.returncode == 0, done.stderr
    asked = set(re.findall(r"(?m)^'(http[^']*)/Packages[^/']*'", done.stdout))
    expected = {place for source in sources.parse(text, file=name) for place in _places(source)}
    assert {place for place in asked if not place.endswith("/binary-all")} == expected


@pytest.mark.parametrize("case", REFUSED)
def test_apt_refuses_what_is_refused(case: str, tmp_path: Path) -> None:
    name, text = REFUSED[case]
    assert _apt(tmp_path, name, text).returncode != 0
    with pytest.raises(SourcesError):
        sources.parse(text, file=name)
