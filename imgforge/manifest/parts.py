"""The parts of a manifest, version 1: what stands below its top keys. See `model` for the whole.

Annotations are not postponed here, because `checked` reads them when a class is made.
"""

from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

import attrs

from imgforge.document import names
from imgforge.document.rule import ContradictionError, Distinct, Written, checked
from imgforge.errors import Position
from imgforge.manifest import rules

ImagePath = Annotated[PurePosixPath, names.IMAGE_PATH]
Target = Annotated[PurePosixPath, names.TARGET]
LocalPath = Annotated[PurePosixPath, names.SOURCE_PATH]
PackageName = Annotated[str, names.PACKAGE]


@attrs.frozen(field_transformer=checked)
class VersionRelation:
    """A wanted version: ``>= 20``."""

    operator: Literal["<<", "<=", "=", ">=", ">>"]
    version: Annotated[str, names.VERSION]

    @classmethod
    def parse(cls, text: str) -> "VersionRelation":
        """Read an operator and a version.

        Raises:
            ValueError: it is neither.
        """
        version = text.lstrip("<>=")
        return cls(text.removesuffix(version), version.strip())  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.operator} {self.version}"


@attrs.frozen(field_transformer=checked)
class PackageRequest:
    """A package that the image must hold; a bare text is its name."""

    SHORT: ClassVar[str] = "name"

    name: PackageName = attrs.field(metadata={"doc": "the package's name"})
    version: Annotated[VersionRelation, names.RELATION] | None = attrs.field(
        default=None, metadata={"doc": "the versions that will do: one of << <= = >= >>, then a version"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.version})" if self.version else self.name


@attrs.frozen(kw_only=True, field_transformer=checked)
class SourceSpec:
    """An APT source: what it holds and who signs it; its mirrors are only where its bytes may be fetched."""

    name: Annotated[str, rules.SOURCE] = attrs.field(metadata={"doc": "what the manifest, lock and reports call it"})
    suites: Annotated[tuple[Annotated[str, rules.SUITE], ...], Distinct()] = attrs.field(
        metadata={"doc": "suites, in APT's order; one that ends with a slash is a flat archive without components"}
    )
    components: Annotated[tuple[Annotated[str, rules.COMPONENT], ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "components of each suite"}
    )
    uris: Annotated[tuple[Annotated[str, rules.URI], ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "mirrors, tried after those of the settings and of the host"}
    )
    signed_by: LocalPath = attrs.field(
        metadata={"doc": "file of OpenPGP certificates, beside the manifest or at the root of its tree"}
    )
    allow_expired: bool = attrs.field(
        default=False, metadata={"doc": "accept a Release past its Valid-Until: for an archive that is frozen"}
    )
    allow_suite_mismatch: bool = attrs.field(
        default=False, metadata={"doc": "accept a Release that names another suite, or none"}
    )
    allow_weak_key: bool = attrs.field(
        default=False, metadata={"doc": "accept a key whose own signatures are too weak, such as by SHA-1"}
    )
    private: bool = attrs.field(
        default=False, metadata={"doc": "images that hold its packages may go to private repositories only"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse components of a flat archive and suites without them (sources.list(5))."""
        places = []
        if not self.suites:
            places.append(("suites", "must name a suite"))
        flat = [suite for suite in self.suites if suite.endswith("/")]
        if flat and self.components:
            places.append(("components", f"must be left out: the suite {flat[0]!r} is a flat archive"))
        if len(flat) < len(self.suites) and not self.components:
            places.append(("suites", "need 'components'"))
        if places:
            raise ContradictionError(tuple(places))


@attrs.frozen(kw_only=True, field_transformer=checked)
class Pin:
    """What APT's preferences say of some packages: of a release of theirs, or of a version.

    A host (APT's ``Pin: origin``) cannot be named: which mirror serves a source must not decide what is installed.
    """

    packages: tuple[Annotated[str, rules.PACKAGE_GLOB], ...] = attrs.field(
        metadata={"doc": "names of packages, with * and ?"}
    )
    release: Annotated[str, rules.LINE] | None = attrs.field(
        default=None, metadata={"doc": "as after 'Pin: release', for example n=bookworm-backports"}
    )
    version: Annotated[str, rules.LINE] | None = attrs.field(
        default=None, metadata={"doc": "as after 'Pin: version', for example 5.36*"}
    )
    priority: Annotated[int, rules.PRIORITY] = attrs.field(metadata={"doc": "as after 'Pin-Priority:'"})
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse a pin that says nothing or too much."""
        given = [key for key in ("release", "version") if getattr(self, key) is not None]
        if len(given) != 1:
            got = " and ".join(map(repr, given)) or "none of them"
            raise ValueError(f"must have one of the keys 'release' or 'version', got {got}")

    @property
    def kind(self) -> str:
        """``release`` or ``version``."""
        return "version" if self.release is None else "release"

    @property
    def value(self) -> str:
        """What follows the kind in a preferences file."""
        return self.release or self.version or ""

    def __str__(self) -> str:
        return f"{' '.join(self.packages)}: {self.kind} {self.value} {self.priority}"


@attrs.frozen(kw_only=True, field_transformer=checked)
class Account:
    """A user and the group of the same name."""

    name: Annotated[str, rules.ACCOUNT] = attrs.field(metadata={"doc": "the user's and the group's name"})
    uid: Annotated[int, rules.UID] = attrs.field(metadata={"doc": "the user's id"})
    gid: Annotated[int, rules.GID] | None = attrs.field(
        default=None, metadata={"doc": "the id of its group; the same as uid by default"}
    )
    home: ImagePath = attrs.field(
        default=PurePosixPath("/nonexistent"), metadata={"doc": "its home, which is not made"}
    )
    shell: ImagePath = attrs.field(default=PurePosixPath("/usr/sbin/nologin"), metadata={"doc": "its login shell"})
    groups: Annotated[tuple[Annotated[str, rules.ACCOUNT], ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "further groups, which the image must have"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def group_id(self) -> int:
        """The id of its group."""
        return self.uid if self.gid is None else self.gid


@attrs.frozen(kw_only=True, field_transformer=checked)
class CopyFiles:
    """A file, or everything below a directory, copied into the image."""

    source: LocalPath = attrs.field(
        metadata={"key": "from", "doc": "file or directory below the manifest's directory; nothing may climb out"}
    )
    path: Target = attrs.field(metadata={"key": "to", "doc": "the path that it gets in the image"})
    owner: Annotated[str, rules.OWNER] = attrs.field(default="root", metadata={"doc": "user: a name or an id"})
    group: Annotated[str, rules.OWNER] | None = attrs.field(
        default=None, metadata={"doc": "group: a name or an id; the owner's own by default"}
    )
    mode: Annotated[int, rules.MODE] | None = attrs.field(
        default=None,
        metadata={
            "doc": "mode of files, quoted octal text; directories get x where it has r. "
            "By default 0755 where the file's owner may execute it, else 0644"
        },
    )
    private: bool = attrs.field(
        default=False, metadata={"doc": "images that hold it may go to private repositories only"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True, field_transformer=checked)
class MakeLink:
    """A symbolic link."""

    path: Target = attrs.field(metadata={"key": "link", "doc": "where the link stands in the image"})
    target: Annotated[str, rules.LINK_TARGET] = attrs.field(
        metadata={"key": "to", "doc": "its text, which need not exist"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True, field_transformer=checked)
class MakeDirectory:
    """A directory."""

    path: Target = attrs.field(metadata={"key": "dir", "doc": "where the directory stands in the image"})
    owner: Annotated[str, rules.OWNER] = attrs.field(default="root", metadata={"doc": "user: a name or an id"})
    group: Annotated[str, rules.OWNER] | None = attrs.field(
        default=None, metadata={"doc": "group: a name or an id; the owner's own by default"}
    )
    mode: Annotated[int, rules.MODE] = attrs.field(default=0o755, metadata={"doc": "quoted octal text"})
    position: Position | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True, field_transformer=checked)
class EditIni:
    """Keys set in an ini file that a package or the base brings."""

    path: Target = attrs.field(metadata={"key": "ini", "doc": "the file in the image"})
    section: Annotated[str, rules.INI_SECTION] | None = attrs.field(
        default=None, metadata={"doc": "the section; without it, the keys before the first one"}
    )
    values: tuple[tuple[Annotated[str, rules.INI_KEY], Annotated[str, rules.LINE]], ...] = attrs.field(
        metadata={"key": "set", "doc": "keys and their values, as they are written"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True, field_transformer=checked)
class AppendText:
    """Text put at the end of a file."""

    path: Target = attrs.field(metadata={"key": "append", "doc": "the file in the image; made if it is not there"})
    text: Written = attrs.field(metadata={"doc": "what is appended, byte for byte"})
    position: Position | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(field_transformer=checked)
class Port:
    """A port that the program listens at."""

    number: int
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"

    @classmethod
    def parse(cls, text: str) -> "Port":
        """Read ``8080`` or ``8080/udp``.

        Raises:
            ValueError: the number is above 65535.
        """
        number, _, protocol = text.partition("/")
        if int(number) > 0xFFFF:
            raise ValueError("a port is at most 65535")
        return cls(int(number), protocol or "tcp")  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


@attrs.frozen(kw_only=True, field_transformer=checked)
class Config:
    """How the image runs (OCI image-spec, config.md); what is left out comes from the base."""

    user: Annotated[str, rules.USER] | None = attrs.field(
        default=None, metadata={"doc": "USER or USER:GROUP, names or ids"}
    )
    workdir: ImagePath | None = attrs.field(default=None, metadata={"doc": "the working directory"})
    env: tuple[tuple[Annotated[str, rules.VARIABLE], Written], ...] = attrs.field(
        default=(), metadata={"doc": "environment variables, added to the base's"}
    )
    entrypoint: tuple[Annotated[str, rules.ARGUMENT], ...] | None = attrs.field(
        default=None, metadata={"doc": "the command; without cmd, it drops the base's cmd too"}
    )
    cmd: tuple[Annotated[str, rules.ARGUMENT], ...] | None = attrs.field(
        default=None, metadata={"doc": "the command's default arguments"}
    )
    ports: Annotated[tuple[Annotated[Port, rules.PORT], ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "ports such as 8080 or 5353/udp, added to the base's"}
    )
    volumes: Annotated[tuple[ImagePath, ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "directories for data that outlives a container"}
    )
    labels: tuple[tuple[Annotated[str, rules.LABEL], Written], ...] = attrs.field(
        default=(), metadata={"doc": "labels, added to the base's"}
    )
    stop_signal: Annotated[str, rules.SIGNAL] | None = attrs.field(
        default=None, metadata={"doc": "the signal that ends it"}
    )


@attrs.frozen(kw_only=True, field_transformer=checked)
class Layers:
    """How packages are grouped into layers."""

    strategy: Literal["source", "single"] = attrs.field(
        default="source",
        metadata={"doc": "source: by source package, the largest alone and the small rest together; single: one layer"},
    )
    budget: Annotated[int, rules.BUDGET] = attrs.field(default=16, metadata={"doc": "how many package layers at most"})
