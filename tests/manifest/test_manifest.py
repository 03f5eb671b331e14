"""Loading manifests: the whole format."""

from pathlib import PurePosixPath

import pytest

from imgforge import manifest
from imgforge.errors import Position
from imgforge.manifest.model import Manifest, debian_architecture
from imgforge.manifest.parts import (
    Account,
    AppendText,
    Config,
    CopyFiles,
    EditIni,
    Layers,
    MakeDirectory,
    MakeLink,
    PackageRequest,
    Pin,
    Port,
    SourceSpec,
    VersionRelation,
)

WHOLE = """\
imgforge: 1
name: hello-python
base: python3-bookworm
sources:
  debian:
    suites: [bookworm, bookworm-updates]
    components: [main]
    uris: ["https://mirrors.wikimedia.org/debian"]
    signed-by: keys/debian.asc
    allow-expired: true
    private: true
  flat: {suites: [./, stable/], signed-by: flat.asc}
packages: [python3-flask, {name: gunicorn, version: ">= 20"}]
recommends: true
without: [dmsetup]
pins: [{packages: [nginx*, php?], release: "n=bookworm", priority: -1}, {packages: [a*], version: 5.36*, priority: 900}]
exclude: [/usr/share/doc/*, /usr/share/man/*]
include: [/usr/share/doc/*/copyright]
accounts:
  app: {uid: 900, gid: 901, home: /srv/app, shell: /bin/sh, groups: [audio]}
  low: {uid: 1}
files:
  - {from: src, to: /srv/app, owner: app, group: 33, mode: "0644", private: true}
  - {link: /srv/current, to: app}
  - {dir: /var/lib/app, owner: app, mode: "1777"}
edits:
  - {ini: /etc/php/8.2/cli/php.ini, section: PHP, set: {memory_limit: 256M, max_execution_time: 30}}
  - {append: /etc/hosts.allow, text: "ALL: LOCAL\\n"}
alternatives: {editor: /usr/bin/vim.tiny}
config:
  user: 900:900
  workdir: /srv/app
  env: {PYTHONUNBUFFERED: "1", VERSION: 1.10}
  entrypoint: [python3, -m, hello]
  cmd: [sleep, 30]
  ports: [8080, 5353/udp]
  volumes: [/var/lib/app]
  labels: {org.example.team: web}
  stop-signal: SIGRTMIN+3
layers: {strategy: single, budget: 3}
compression: zstd
platforms: [linux/arm64, linux/amd64]
"""
HEAD = "imgforge: 1\nname: a\nbase: b\n"

EXPECTED = Manifest(
    name="hello-python",
    base="python3-bookworm",
    sources=(
        SourceSpec(
            name="debian",
            suites=("bookworm", "bookworm-updates"),
            components=("main",),
            uris=("https://mirrors.wikimedia.org/debian",),
            signed_by=PurePosixPath("keys/debian.asc"),
            allow_expired=True,
            private=True,
        ),
        SourceSpec(name="flat", suites=("./", "stable/"), signed_by=PurePosixPath("flat.asc")),
    ),
    packages=(PackageRequest("python3-flask"), PackageRequest("gunicorn", VersionRelation(">=", "20"))),
    recommends=True,
    without=("dmsetup",),
    pins=(
        Pin(packages=("nginx*", "php?"), release="n=bookworm", priority=-1),
        Pin(packages=("a*",), version="5.36*", priority=900),
    ),
    exclude=("/usr/share/doc/*", "/usr/share/man/*"),
    include=("/usr/share/doc/*/copyright",),
    accounts=(
        Account(
            name="app",
            uid=900,
            gid=901,
            home=PurePosixPath("/srv/app"),
            shell=PurePosixPath("/bin/sh"),
            groups=("audio",),
        ),
        Account(name="low", uid=1),
    ),
    files=(
        CopyFiles(
            source=PurePosixPath("src"),
            path=PurePosixPath("/srv/app"),
            owner="app",
            group="33",
            mode=0o644,
            private=True,
        ),
        MakeLink(path=PurePosixPath("/srv/current"), target="app"),
        MakeDirectory(path=PurePosixPath("/var/lib/app"), owner="app", mode=0o1777),
    ),
    edits=(
        EditIni(
            path=PurePosixPath("/etc/php/8.2/cli/php.ini"),
            section="PHP",
            values=(("memory_limit", "256M"), ("max_execution_time", "30")),
        ),
        AppendText(path=PurePosixPath("/etc/hosts.allow"), text="ALL: LOCAL\n"),
    ),
    alternatives=(("editor", PurePosixPath("/usr/bin/vim.tiny")),),
    config=Config(
        user="900:900",
        workdir=PurePosixPath("/srv/app"),
        env=(("PYTHONUNBUFFERED", "1"), ("VERSION", "1.10")),
        entrypoint=("python3", "-m", "hello"),
        cmd=("sleep", "30"),
        ports=(Port(8080), Port(5353, "udp")),
        volumes=(PurePosixPath("/var/lib/app"),),
        labels=(("org.example.team", "web"),),
        stop_signal="SIGRTMIN+3",
    ),
    layers=Layers(strategy="single", budget=3),
    compression="zstd",
    platforms=("linux/arm64", "linux/amd64"),
)


def load(text: str) -> Manifest:
    return manifest.load(text, file="m.yaml")


def test_every_key_is_read() -> None:
    assert load(WHOLE) == EXPECTED


def test_defaults_are_those_of_the_reference() -> None:
    found = load(HEAD + "accounts: {app: {uid: 5}}\nfiles: [{from: x, to: /x}, {dir: /d}]\n")
    assert found.platforms == ("linux/amd64",)
    assert (found.compression, found.layers, found.recommends) == ("gzip", Layers(strategy="source", budget=16), False)
    (app,) = found.accounts
    assert (app.group_id, str(app.home), str(app.shell)) == (5, "/nonexistent", "/usr/sbin/nologin")
    copied, made = found.files
    assert copied == CopyFiles(source=PurePosixPath("x"), path=PurePosixPath("/x"), owner="root", mode=None)
    assert made == MakeDirectory(path=PurePosixPath("/d"), owner="root", mode=0o755)


def test_values_say_themselves_as_they_are_written() -> None:
    assert str(PackageRequest("aa", VersionRelation(">=", "1:2"))) == "aa (>= 1:2)"
    assert str(PackageRequest("aa")) == "aa"
    assert str(Port(53, "udp")) == "53/udp"
    assert str(Pin(packages=("a", "b*"), release="n=x", priority=5)) == "a b*: release n=x 5"


def test_a_relation_needs_no_blank() -> None:
    (request,) = load(HEAD + "packages: [{name: aa, version: '<<2.0~rc1-1'}]\n").packages
    assert request.version == VersionRelation("<<", "2.0~rc1-1")


def test_every_part_knows_where_it_stands() -> None:
    found = load(WHOLE)
    assert found.packages[1].position == Position("m.yaml", 13, 27)
    assert found.sources[0].position == Position("m.yaml", 6, 5)
    assert found.positions["without[0]"] == Position("m.yaml", 15, 11)
    assert found.positions["base"] == Position("m.yaml", 3, 7)
    assert found.positions["config.labels.org.example.team"] == Position("m.yaml", 38, 12)


def test_positions_do_not_make_manifests_different() -> None:
    assert load(WHOLE) == load("# moved down\n" + WHOLE)


def test_a_platform_has_an_architecture_of_debian() -> None:
    names = {platform: debian_architecture(platform) for platform in ("linux/amd64", "linux/arm/v7", "linux/ppc64le")}
    assert names == {"linux/amd64": "amd64", "linux/arm/v7": "armhf", "linux/ppc64le": "ppc64el"}


@pytest.mark.parametrize(
    "base",
    [
        "scratch",
        "python3-bookworm",
        "php8.2-bookworm:latest",
        "a@sha256:" + "0" * 64,
        "oci:some/dir:tag",
        "oci-archive:image.tar",
        "docker-archive:/tmp/image.tar",
        "docker://registry.example.org:5000/a/b:tag",
    ],
)
def test_a_base_may_be_a_name_or_a_reference(base: str) -> None:
    assert load(f"imgforge: 1\nname: a\nbase: {base}\n").base == base
