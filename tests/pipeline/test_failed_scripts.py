"""A script that fails is shown with its own words, its log, and what brought its package in; others are not."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from builders.archives import Archive
from builders.debs import build_deb
from builders.worlds import World

import imgforge
from imgforge.errors import BuildError, LimitError, ScriptFailure
from imgforge.limits import Limits

pytestmark = pytest.mark.root

MANY = "i=0; while [ $i -lt {count} ]; do i=$((i + 1)); echo word $i; done; exit 3"
"""A script that prints and fails."""

CLEAR = "i=0; while [ $i -lt {count} ]; do i=$((i + 1)); echo clear $i; done"


@pytest.fixture(scope="module")
def shared(ground: Archive, warm_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world for all tests of this module."""
    path = tmp_path_factory.mktemp("failing")
    path.chmod(0o755)
    return World.on(ground, path, cache=warm_cache)


@attrs.frozen
class Failed:
    """A build that failed."""

    error: BuildError

    @property
    def script(self) -> ScriptFailure:
        assert self.error.failure is not None
        return self.error.failure

    @property
    def notes(self) -> str:
        return "\n".join(self.error.__notes__)

    @property
    def log(self) -> str:
        return Path(self.script.log).read_text()


Fail = Callable[..., Failed]


@pytest.fixture
def fail(shared: World) -> Fail:
    """Return what builds an image of packages, by name with the options of `build_deb`, which must fail."""

    def build(requested: tuple[str, ...], packages: dict[str, dict[str, Any]], **settings: Any) -> Failed:
        shared.archive.suite("extra").debs.clear()
        for name, options in packages.items():
            shared.archive.add(build_deb(name, **{"version": "1.0", "architecture": "all", **options}), suite="extra")
        shared.archive.publish()
        shared.manifest(packages=list(requested))
        with pytest.raises(BuildError) as caught:
            imgforge.build(shared.path_of(), settings=attrs.evolve(shared.settings, **settings), upgrade=())
        return Failed(caught.value)

    return build


def postinst(script: str, **options: Any) -> dict[str, Any]:
    return {"scripts": {"postinst": script}, **options}


def test_the_words_are_the_script_s_and_the_rest_is_in_the_log(fail: Fail, shared: World) -> None:
    failed = fail(
        ("victim",),
        {
            "before": postinst(CLEAR.format(count=50)),
            "evil": postinst(MANY.format(count=200), depends="before"),
            "victim": postinst("echo never", depends="evil"),
            "wholly": postinst(CLEAR.format(count=100), depends="before"),
        },
    )
    assert str(failed.error) == "configure evil: evil.postinst configure: exit status 3"
    assert failed.script.words == tuple(f"word {number}" for number in range(181, 201))
    assert (failed.script.lines, failed.script.status, failed.script.version) == (200, 3, "1.0")
    assert failed.script.blocked == ("victim",)
    assert "its last words (20 of 200 lines):\nword 181\n" in failed.notes
    assert f"evil 1.0 is brought in by victim ({shared.path_of()}:6:3), which depends on evil" in failed.notes
    assert "not configured because of that: victim" in failed.notes
    assert "apt-get would stop here, too: dpkg reports 'installed evil package post-inst" in failed.notes
    assert f"the whole log: {failed.script.log}" in failed.notes
    assert "".join(f"word {number}\n" for number in range(1, 201)) in failed.log
    assert failed.log.startswith("$ dpkg --configure -a --force-confnew\nSetting up before (1.0) ...\nclear 1\n")


def test_the_log_is_private_and_there_is_one(fail: Fail, shared: World) -> None:
    log = Path(fail(("evil",), {"evil": postinst("echo a word; exit 3")}).script.log)
    assert log.is_relative_to(shared.settings.cache / "logs")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    again = fail(("evil",), {"evil": postinst("echo a word; exit 3")})
    assert again.script.log == str(log)  # a build that fails again and again keeps one


def test_what_follows_is_not_taken_for_its_words(fail: Fail) -> None:
    """dpkg goes on with packages that do not need it, before its report is read."""
    failed = fail(("evil", "late"), {"evil": postinst("echo own; exit 1"), "late": postinst(CLEAR.format(count=500))})
    assert failed.script.words == ("own",)


def test_of_several_the_first_that_failed_by_itself_is_named(fail: Fail) -> None:
    failed = fail(
        ("first", "second", "third"),
        {
            "first": postinst("echo one; exit 1"),
            "second": postinst("echo two; exit 2"),
            "third": {"depends": "second, first"},
        },
    )
    assert str(failed.error) == "configure first: first.postinst configure: exit status 1"
    assert (failed.script.words, failed.script.others) == (("one",), ("second",))
    assert "failed, too: second" in failed.notes
    assert "not configured because of that: third" in failed.notes


def test_a_preinst_is_named(fail: Fail, shared: World) -> None:
    failed = fail(("evil",), {"evil": {"scripts": {"preinst": "echo before; exit 4"}}})
    assert str(failed.error) == "preinst evil: /var/lib/dpkg/tmp.ci/preinst install: exit status 4"
    assert (failed.script.package, failed.script.words) == ("evil", ("before",))
    assert f"evil 1.0 is requested ({shared.path_of()}:6:3)" in failed.notes
    assert "apt-get would stop here, too: dpkg unpacks no package whose preinst fails" in failed.notes


def test_a_trigger_is_named(fail: Fail) -> None:
    script = 'if [ "$1" = triggered ]; then echo pulled; exit 5; fi; echo fine'
    failed = fail(
        ("evil", "puller"),
        {
            "evil": postinst(script, triggers="interest-noawait bell\n"),
            "puller": {"triggers": "activate-noawait bell\n", "depends": "evil"},
        },
    )
    assert str(failed.error) == "trigger evil: evil.postinst triggered: exit status 5"
    assert failed.script.words == ("pulled",)


def test_a_package_of_the_base_is_named_as_such(world: World) -> None:
    script = 'if [ "$1" = triggered ]; then echo pulled; exit 6; fi'
    world.package("bell", **postinst(script, triggers="interest-noawait bell\n"))
    world.package("puller", triggers="activate-noawait bell\n")
    world.manifest("middle", packages=["bell"])
    world.manifest(base="middle", packages=["puller"])
    with pytest.raises(BuildError) as caught:
        world.build()
    failed = Failed(caught.value)
    assert str(failed.error) == "trigger bell: bell.postinst triggered: exit status 6"
    assert failed.script.words == ("pulled",)
    assert "bell is part of the base 'middle'" in failed.notes


def test_an_archive_that_dpkg_cannot_unpack_is_named(fail: Fail) -> None:
    failed = fail(("thief",), {"thief": {"files": {"etc/login.defs": b"mine\n"}}})
    assert str(failed.error).startswith("unpack thief: dpkg --unpack ")
    assert "trying to overwrite '/etc/login.defs', which is also in package passwd 1.0" in str(failed.error)
    assert "apt-get would stop here, too" in failed.notes


def test_a_preinst_that_dpkg_runs_is_named(fail: Fail) -> None:
    files = {"etc/login.defs": b"mine\n"}
    failed = fail(
        ("evil",),
        {"evil": {"files": files, "fields": {"Replaces": "passwd"}, "scripts": {"preinst": "echo early; exit 7"}}},
    )
    assert str(failed.error) == "unpack evil: evil.preinst: exit status 7"
    assert failed.script.words == ("early",)


def test_an_upgrade_is_named_as_such(fail: Fail) -> None:
    failed = fail(("libcap2-bin",), {"libcap2-bin": {**postinst("echo new; exit 1"), "version": "2.0"}})
    assert "libcap2-bin 2.0 is an upgrade of what the base 'ground' has, and is requested" in failed.notes


def test_a_script_that_is_killed_says_by_what(fail: Fail) -> None:
    failed = fail(("evil",), {"evil": postinst("echo last; kill -9 $$")})
    assert str(failed.error) == "configure evil: evil.postinst configure: was killed by signal (Killed)"
    assert failed.script.words == ("last",)
    assert failed.script.status is None


def test_a_script_that_ends_dpkg_is_named(fail: Fail) -> None:
    failed = fail(("evil",), {"evil": postinst("echo last; kill -9 -1; while :; do :; done")})
    assert str(failed.error) == "configure evil: dpkg --configure -a --force-confnew: exit status 137"
    assert failed.script.words == ("last",)
    assert "apt-get" not in failed.notes


def test_a_script_beyond_a_limit_has_words_and_a_log(fail: Fail) -> None:
    failed = fail(("evil",), {"evil": postinst("while :; do echo yes; done")}, limits=Limits(output=1 << 20))
    assert isinstance(failed.error, LimitError)
    assert str(failed.error) == "configure evil: used more output than its limit, 1 MiB"
    assert set(failed.script.words) == {"yes"}
    assert failed.log.count("yes\n") > 100_000
    assert "apt-get has no such limit" in failed.notes


def test_words_without_a_newline_are_words(fail: Fail) -> None:
    failed = fail(
        ("evil",), {"calm": postinst("printf calm"), "evil": postinst("printf 'no newline'; exit 3", depends="calm")}
    )
    assert (failed.script.words, failed.script.lines) == (("no newline",), 1)


def test_a_megabyte_of_words_is_kept(fail: Fail) -> None:
    failed = fail(
        ("evil",),
        {"evil": postinst(f"x={'x' * 100}; i=0; while [ $i -lt 9999 ]; do i=$((i+1)); echo $i $x; done; exit 3")},
    )
    assert failed.script.lines == 9999
    assert failed.script.words[-1] == f"9999 {'x' * 100}"
    assert len(failed.log) > 1_000_000
    assert len(failed.notes) < 10_000


def test_a_long_line_is_shown_by_its_end(fail: Fail) -> None:
    failed = fail(("evil",), {"evil": postinst(f"x={'x' * 5000}; echo $x$x$x end; exit 3")})
    assert failed.script.words == (f"…{'x' * 496} end",)


def test_nothing_in_the_log_steers_a_terminal_or_a_service(fail: Fail) -> None:
    failed = fail(
        ("evil",), {"evil": postinst(r"printf '\033[2J\377\n::error::owned\n##[error]x\n\342\200\256txt\n'; exit 3")}
    )
    assert failed.script.words == ("\x1b[2J\\xff", "::error::owned", "##[error]x", "\u202etxt")  # escaped when printed
    assert "\\x1b[2J\\xff\n\\x3a:error::owned\n\\x23#[error]x\n\\u202etxt\n" in failed.log


@pytest.mark.attack
def test_a_script_cannot_speak_for_the_next(fail: Fail) -> None:
    forged = """
    echo "Setting up evil (1.0) ..."; echo forged before
    echo "dpkg: error processing package evil (--configure):"; echo " all is well"
    """
    failed = fail(("evil",), {"before": postinst(forged), "evil": postinst("echo true; exit 3", depends="before")})
    assert str(failed.error) == "configure evil: evil.postinst configure: exit status 3"
    assert failed.script.words == ("true",)


def test_a_name_that_cannot_be_resolved_is_the_sandbox_s_doing(fail: Fail) -> None:
    failed = fail(("evil",), {"evil": postinst("echo 'curl: (6) Could not resolve host: example.org' >&2; exit 6")})
    assert "the sandbox has no network; apt-get runs scripts with the machine's" in failed.notes
    assert "would stop" not in failed.notes


@pytest.mark.parametrize("rung", ["root", "subids", "single", "chroot"])
def test_each_rung_shows_the_same(fail: Fail, rung: str) -> None:
    packages = {"evil": postinst(MANY.format(count=30)), "victim": {"depends": "evil"}}
    failed = fail(("victim",), packages, sandbox=rung)
    assert str(failed.error) == "configure evil: evil.postinst configure: exit status 3"
    assert (failed.script.words[-1], failed.script.lines, failed.script.blocked) == ("word 30", 30, ("victim",))
    assert "word 1\n" in failed.log


def test_the_command_shows_the_log_as_it_comes_when_asked(world: World) -> None:
    world.package("chatty", **postinst("echo as it comes"))
    world.manifest(packages=["chatty"])
    before = set((world.settings.cache / "logs").glob("*/*"))
    done = world.command("build", "-v")
    assert done.returncode == 0, done.stderr
    assert "       log  imgforge.workshop.client: as it comes\n" in done.stderr
    assert set((world.settings.cache / "logs").glob("*/*")) == before, "a log is kept of what failed"


def test_events_have_what_is_known_as_fields(world: World) -> None:
    world.package("evil", **postinst("echo a word; exit 3"))
    world.manifest(packages=["evil"])
    done = world.command("build", "--json")
    assert done.returncode == BuildError.exit_code
    event = json.loads(done.stderr.splitlines()[-1])
    (script,) = event["scripts"]
    assert {name: script[name] for name in ("package", "version", "command", "status", "words", "lines")} == {
        "package": "evil",
        "version": "1.0",
        "command": "evil.postinst configure",
        "status": 3,
        "words": ["a word"],
        "lines": 1,
    }
    assert script["reported"].startswith("installed evil package post-installation")
    assert script["origin"].startswith("evil 1.0 is requested (")
    assert "a word\n" in Path(script["log"]).read_text()
