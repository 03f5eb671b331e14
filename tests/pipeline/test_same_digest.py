"""One lock gives one digest: whoever builds, wherever and whenever, with nothing cached."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import pytest
from builders import grounds, interpreters, nasties, servers
from builders.accounts import User
from builders.archives import Archive
from builders.debs import Content, build_deb
from builders.servers import Fault
from builders.worlds import World

from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root

_REPOSITORY = Path(__file__).parents[2]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NO_LOCKS = shutil.ignore_patterns("*.lock.json")
_ELSEWHERE = ("unshare", "--uts", "sh", "-c", 'hostname elsewhere.example.org; exec "$@"', "sh")
_PRELUDE = """
import sys
sys.path.insert(0, {packages!r})
import imgforge.workshop.worker as worker
worker.ENVIRONMENT["FAKETIME"] = {clock!r}
"""
_WITH_CLOCK = """
import sys
sys.executable = {wrapper!r}
from imgforge.__main__ import main
sys.exit(main())
"""


@attrs.frozen
class Nature:
    """What is built again and again.

    Attributes:
        world: has the archive; it is never built in.
        interpreter: everybody's.
        manifests: the world's unless given.
    """

    world: World
    interpreter: Path
    manifests: Path = attrs.field(default=attrs.Factory(lambda self: self.world.manifests, takes_self=True))

    def digest(
        self,
        place: Path,
        *words: str,
        umask: int = 0o022,
        env: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        user: User | None = None,
        code: str = "",
        locks: Path | None = None,
        name: str = "image",
    ) -> str:
        """Build in an empty place with an empty cache and return what the command prints.

        Args:
            place: the directory for store, cache and a copy of the manifests.
            words: further words of the command line.
            code: what the interpreter runs; by default the module.
        """
        manifests = self._copied(place, locks)
        if user:
            subprocess.run(["chown", "-R", f"{user.uid}:{user.gid}", place], check=True)
        places = (f"--store={place}/store", f"--cache={place}/cache")
        run = ("-c", code) if code else ("-m", "imgforge")
        argv = [*prefix, str(self.interpreter), *run, "build", f"{manifests}/{name}.yaml", *places, *words]
        done = subprocess.run(
            argv,
            cwd=place,
            env={"PATH": _PATH, "HOME": str(place), "IMGFORGE_CONFIG": "", **dict(env or {})},
            umask=umask,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=() if user else None,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _copied(self, place: Path, locks: Path | None) -> Path:
        manifests = place / "manifests"
        shutil.copytree(self.manifests, manifests, dirs_exist_ok=True, ignore=_NO_LOCKS)
        for lock in locks.rglob("*.lock.json") if locks else ():
            shutil.copy(lock, manifests / lock.relative_to(locks or place))
        return manifests


@pytest.fixture(scope="module")
def nature(ground: Archive) -> Iterator[Nature]:
    with tempfile.TemporaryDirectory(prefix="imgforge-nature-") as name:
        place = Path(name)
        place.chmod(0o755)
        world = World.on(ground, place / "world")
        world.offer(*nasties.packages())
        (world.manifests / "src").mkdir()
        (world.manifests / "src" / "app.py").write_text("print('hello')\n")
        (world.manifests / "src" / "run").write_text("#!/bin/sh\n")
        (world.manifests / "src" / "run").chmod(0o775)
        world.manifest(
            packages=list(nasties.NAMES),
            accounts={"app": {"uid": 900, "home": "/srv/app", "groups": ["staff"]}},
            files=[{"from": "src", "to": "/srv/app", "owner": "app"}, {"link": "/srv/current", "to": "app"}],
            edits=[{"append": "/etc/almanac.conf", "text": "more\n"}],
            alternatives={"editor": "/usr/bin/editor-good"},
            config={"user": "app", "cmd": ["sh"]},
        )
        yield Nature(world, interpreters.everybodys(place))


@pytest.fixture(scope="module")
def expected(nature: Nature, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest that an everyday build gives."""
    place = tmp_path_factory.mktemp("first")
    printed = nature.digest(place)
    image = nature.world.at(place).image()
    assert {path: image.text(path) for path in nasties.TEXTS} == nasties.TEXTS
    assert {path: image.line(path)[: len(start) or None] for path, start in nasties.LINES.items()} == nasties.LINES
    return printed


def test_twice_in_one_place(nature: Nature, expected: str, place: Path) -> None:
    assert nature.digest(place / "a") == expected
    assert nature.digest(place / "a") == expected


def test_another_umask_locale_time_zone_and_hash_seed(nature: Nature, expected: str, place: Path) -> None:
    env = {"LC_ALL": "tr_TR.UTF-8", "LANG": "ja_JP.EUC-JP", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"}
    odd = {"SOURCE_DATE_EPOCH": "1", "DEBIAN_FRONTEND": "dialog", "TMPDIR": str(place), "DPKG_ROOT": "/nowhere"}
    assert nature.digest(place / "ä b\n", umask=0o077, env=env | odd) == expected
    assert nature.digest(place / "open", umask=0, env={"PYTHONHASHSEED": "2", "POSIXLY_CORRECT": "1"}) == expected


def test_another_host_name(nature: Nature, expected: str, place: Path) -> None:
    assert nature.digest(place, prefix=_ELSEWHERE) == expected


@pytest.mark.parametrize("jobs", ["1", "7"])
def test_another_number_of_threads(nature: Nature, expected: str, place: Path, jobs: str) -> None:
    assert nature.digest(place, "--jobs", jobs) == expected


@pytest.mark.parametrize("rung", ["chroot", "subids", "single"])
def test_another_rung(nature: Nature, expected: str, place: Path, rung: str) -> None:
    assert nature.digest(place, "--sandbox", rung) == expected


def test_a_user_with_subordinate_ids(nature: Nature, expected: str, subuid_user: User) -> None:
    assert nature.digest(subuid_user.home / "x", user=subuid_user, umask=0o027) == expected


def test_a_user_without_any(nature: Nature, expected: str, user: User) -> None:
    assert nature.digest(user.home / "x", user=user, umask=0o077) == expected


def test_shuffled_downloads(nature: Nature, expected: str, place: Path) -> None:
    draw = random.Random(1)
    with servers.serve(nature.world.archive.path) as server, servers.serve(nature.world.ground.path) as ground:
        for each, archive in ((server, nature.world.archive), (ground, nature.world.ground)):
            for path in archive.path.glob("pool/**/*.deb"):
                fault = draw.choice([Fault(status=503), Fault(drop=10), Fault(cut=100), Fault(flip=True), Fault()])
                each.fault(str(path.relative_to(archive.path)), fault)
        mirrors = (f"--mirror=extra={server.url}", f"--mirror={grounds.SUITE}={ground.url}")
        assert nature.digest(place, *mirrors) == expected
        assert len(server.asked) > len(nasties.packages())


@pytest.fixture(scope="module")
def clockwork(nature: Nature) -> Nature:
    """The same packages on a base that shows its programs the time that FAKETIME says; without it they stumble."""
    library = grounds.clock_library()
    if library is None:
        pytest.skip("needs libfaketime (package faketime)")
    world = World.on(nature.world.ground, nature.world.path / "clockwork")
    files: dict[str, Content] = {
        "usr/lib/faketime.so": (Entry("", Kind.FILE, mode=0o755), library.read_bytes()),
        "etc/ld.so.preload": b"/usr/lib/faketime.so\n",
    }
    world.offer(build_deb("clockwork", "1.0", files=files, compression="gzip"), *nasties.packages())
    world.package("witness", scripts={"postinst": "date +%Y > /etc/witness; date"})
    world.manifest("proof", base="clock", packages=["witness"])
    world.manifest("clock", packages=["clockwork"])
    world.manifest(base="clock", packages=list(nasties.NAMES))
    return Nature(world, nature.interpreter)


def at_time(nature: Nature, place: Path, clock: str, *, locks: Path | None = None, name: str = "image") -> str:
    """Return what a build prints whose processes, inside and outside, see another time."""
    preload = {"LD_PRELOAD": str(grounds.clock_library()), "FAKETIME": clock, "NO_FAKE_STAT": "1"}
    exports = "\n".join(f"export {name}='{value}'" for name, value in preload.items())
    program = f'"{nature.interpreter}" -I -c "$(cat {place}/prelude)\n$code" "$@"'
    place.mkdir(exist_ok=True)
    (place / "prelude").write_text(_PRELUDE.format(packages=str(_REPOSITORY), clock=clock))
    (place / "python").write_text(f'#!/bin/sh\ncode="$3"\nshift 3\n{exports}\nexec {program}\n')
    (place / "python").chmod(0o755)
    code = _WITH_CLOCK.format(wrapper=str(place / "python"))
    return nature.digest(place, env=preload, code=code, locks=locks, name=name)


@pytest.fixture(scope="module")
def today(clockwork: Nature, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where a build at the machine's own time left its locks, and its digest."""
    place = tmp_path_factory.mktemp("clock")
    return place / "manifests", at_time(clockwork, place, "+0d")


@pytest.mark.parametrize("clock", ["@2022-03-04 05:06:07", "@2037-01-02 03:04:05"])
def test_another_clock(clockwork: Nature, today: tuple[Path, str], place: Path, clock: str) -> None:
    locks, expected = today  # the archive is younger than the early clock, and so not to be trusted then
    assert at_time(clockwork, place, clock, locks=locks) == expected
    world = clockwork.world.at(place)
    assert "\ntoday:!:19676:" in world.image().text("etc/shadow")


def test_the_other_clock_is_seen_inside(clockwork: Nature, place: Path) -> None:
    at_time(clockwork, place, "@2037-01-02 03:04:05", name="proof")
    assert clockwork.world.at(place).image("proof").text("etc/witness") == "2037\n"


@pytest.mark.archive
@pytest.mark.slow
@pytest.mark.parametrize("name", ["runtimes/python3-bookworm", "runtimes/java17-bookworm"])
def test_real_images_by_root_and_by_a_user_with_one_id(nature: Nature, place: Path, user: User, name: str) -> None:
    shipped = attrs.evolve(nature, manifests=_REPOSITORY / "manifests")
    expected = shipped.digest(place / "x", name=name)
    locks = place / "x" / "manifests"
    shutil.copytree(
        place / "x" / "cache" / "debs", user.home / "x" / "cache" / "debs"
    )  # what is downloaded is checked anyway
    assert shipped.digest(user.home / "x", user=user, umask=0o077, locks=locks, name=name) == expected
