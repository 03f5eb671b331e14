"""An arena: a world beside a canary, hostile input for the command line, and what must hold whatever it was."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import attrs

from builders import trees
from builders.archives import Deb, describe
from builders.debs import build_deb
from builders.worlds import World
from imgforge.cli.main import main

_UNCERTAIN = ("Traceback", "unexpected ", "this is a bug")


@attrs.frozen
class Refused:
    """What the command line said.

    Attributes:
        code: its exit code.
        words: what it said on standard error.
    """

    code: int
    words: str

    @property
    def errors(self) -> list[str]:
        """The lines that say what is wrong."""
        return [line for line in self.words.splitlines() if line.startswith("imgforge: error: ")]


@attrs.frozen
class Arena:
    """A world to attack. Its canary lies outside of everything that a build may write to.

    Attributes:
        world: has an image ``good`` that nothing may stand in the way of.
    """

    world: World

    @classmethod
    def of(cls, world: World) -> Arena:
        """Put a canary and a good image into a world."""
        arena = cls(world)
        (arena.canary / "home").mkdir(parents=True)
        (arena.canary / "home" / "secret").write_text("sing\n")
        world.package("good", files={"usr/share/good/file": b"good"}, scripts={"postinst": ":"})
        world.manifest("good", packages=["good"])
        world.build("good")
        return arena

    @property
    def canary(self) -> Path:
        """A directory of somebody else."""
        return self.world.path / "canary"

    def smuggle(self, name: str, data: bytes, **said: str) -> None:
        """Offer bytes as the `.deb` of a package.

        Args:
            name: of the package.
            data: whatever it is.
            said: fields of what the index says of it, in the place of what it would say of a good package.
        """
        good = describe(build_deb(name, "1.0", architecture="all", fields=said))
        listed = self.world.archive.suite("extra").debs["main"]
        listed[:] = [one for one in listed if one.field("Package") != name]
        listed.append(Deb(data, good.control, good.path))
        self.world.path_of().with_suffix(".lock.json").unlink(missing_ok=True)
        target = self.world.archive.path / good.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        self.world.archive.publish()

    def refused(self, name: str = "image", *words: str, code: int | tuple[int, ...], says: str) -> Refused:
        """Build a manifest by the command line, which must refuse it in one clear message and leave nothing behind.

        Args:
            name: of the manifest.
            words: further words of the command line.
            code: the exit code, or those that are right.
            says: a regular expression that the one message matches.
        """
        return self.attempt("build", str(self.world.path_of(name)), *words, code=code, says=says)

    def attempt(self, verb: str, *words: str, code: int | tuple[int, ...], says: str) -> Refused:
        """Try any verb; see `refused`."""
        before, names = self.outside(), self.world.layout.names()
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = main(self.world.words(verb, "--quiet", *words)[3:])
        refused = Refused(got, err.getvalue())
        assert got in ((code,) if isinstance(code, int) else code), refused.words
        assert not [word for word in _UNCERTAIN if word in refused.words], refused.words
        assert out.getvalue() == ""
        assert len(refused.errors) == 1, refused.words
        assert re.search(says, refused.words), refused.words
        self.is_untouched(before)
        assert self.world.layout.names() == names
        return refused

    def outside(self) -> dict[str, str]:
        """Return what must stay as it is."""
        return trees.view(self.canary, times=True)

    def is_untouched(self, before: dict[str, str]) -> None:
        """Check that the canary did not sing, nothing lies about, and what is good still builds."""
        assert self.outside() == before
        assert {path.name for path in self.world.path.iterdir()} <= {"archive", "canary", "manifests", "store", "base"}
        assert [path.name for path in (self.world.settings.cache / "tmp").iterdir()] == ["gate"]
        assert self.world.build("good").name == "good"
