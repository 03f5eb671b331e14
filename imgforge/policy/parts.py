"""The parts of a policy, version 1: the values of its top-level keys. See `model` for the whole.

Annotations are not postponed in this module, because `checked` evaluates them when a class is created.
"""

from pathlib import PurePosixPath
from typing import Annotated, ClassVar

import attrs

from imgforge.document.rule import Distinct, checked
from imgforge.errors import Position
from imgforge.policy import rules
from imgforge.policy.pattern import ImagePattern
from imgforge.policy.quantity import Age, Signer, Size

Images = Annotated[ImagePattern, rules.IMAGES]
Signers = tuple[Annotated[Signer, rules.SIGNER], ...]
Paths = Annotated[tuple[Annotated[str, rules.PATHS], ...], Distinct()]
Packages = Annotated[tuple[Annotated[str, rules.PACKAGES], ...], Distinct()]

_SIGNED_BY = "keys that must all have signed, by their names; 'A | B' is either"


@attrs.frozen(kw_only=True, field_transformer=checked)
class Key:
    """A public key. A plain string is its file."""

    SHORT: ClassVar[str] = "file"

    name: Annotated[str, rules.KEY] = attrs.field(metadata={"doc": "what the rules call it"})
    file: Annotated[PurePosixPath, rules.KEY_FILE] = attrs.field(
        metadata={"doc": "the public key in PEM, below the policy's directory"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True, field_transformer=checked)
class BaseRule:
    """Images that may be used as bases."""

    SHORT: ClassVar[str] = "image"

    image: Images = attrs.field(metadata={"doc": "which images: 'scratch', a name, oci:PATH, docker://HOST/REPOSITORY"})
    signed_by: Signers = attrs.field(default=(), metadata={"doc": _SIGNED_BY})
    max_age: Annotated[Age, rules.AGE] | None = attrs.field(
        default=None, metadata={"doc": "how old it may be: hours, days or weeks since it was made"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True, field_transformer=checked)
class SourceRule:
    """A source that packages may come from."""

    keys: Annotated[tuple[Annotated[str, rules.FINGERPRINT], ...], Distinct()] = attrs.field(
        metadata={"doc": "fingerprints of the certificates that may sign it"}
    )
    suites: Annotated[tuple[Annotated[str, rules.SUITES], ...], Distinct()] = attrs.field(
        metadata={"doc": "its suites that may be used, * and ? allowed"}
    )
    components: Annotated[tuple[Annotated[str, rules.COMPONENTS], ...], Distinct()] = attrs.field(
        default=("main",), metadata={"doc": "components of these suites; main by default"}
    )
    packages: Packages = attrs.field(default=("*",), metadata={"doc": "packages of these components; all by default"})
    allow_expired: bool = attrs.field(
        default=False, metadata={"doc": "whether a manifest may take a Release past its Valid-Until"}
    )
    allow_suite_mismatch: bool = attrs.field(
        default=False, metadata={"doc": "whether a manifest may take a Release that names another suite, or none"}
    )
    allow_weak_key: bool = attrs.field(
        default=False, metadata={"doc": "whether a manifest may take a key whose own signatures are too weak"}
    )
    private: bool = attrs.field(
        default=False, metadata={"doc": "images that hold its packages go to private repositories only"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse a rule that can never apply."""
        for key in ("keys", "suites", "packages"):
            if not getattr(self, key):
                raise ValueError(f"must have 'keys', 'suites' and 'packages', got no {key}")


@attrs.frozen(kw_only=True, field_transformer=checked)
class LockRule:
    """Locks whose packages need no signed index."""

    signed_by: Signers = attrs.field(
        default=(), metadata={"doc": "the key whose signature vouches for the packages of a lock; 'A | B' is either"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse more than one signer: a lock has a single signature."""
        if len(self.signed_by) > 1:
            raise ValueError("must have one signer in 'signed-by', because a lock has one signature: 'A | B' is either")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the keys; any one suffices."""
        return tuple(name for signer in self.signed_by for name in signer.names)


@attrs.frozen(kw_only=True, field_transformer=checked)
class PublishRule:
    """Repositories that images may be pushed to."""

    to: Images = attrs.field(metadata={"doc": "docker://HOST/REPOSITORY"})
    signed_by: Signers = attrs.field(default=(), metadata={"doc": _SIGNED_BY})
    private: bool = attrs.field(
        default=False, metadata={"doc": "whether everyone who can read it may see private inputs"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True, field_transformer=checked)
class Allowance:
    """A false positive of the secret scan."""

    finding: Annotated[str, rules.NAMES] = attrs.field(
        metadata={"doc": "what was found, as the refusal calls it, * and ? allowed"}
    )
    path: Annotated[str, rules.PATHS] | None = attrs.field(
        default=None, metadata={"doc": "files; everywhere by default"}
    )
    sha256: Annotated[str, rules.SHA256] | None = attrs.field(
        default=None, metadata={"doc": "the hash of what was found, as the refusal shows it"}
    )
    reason: Annotated[str, rules.REASON] = attrs.field(metadata={"doc": "why this is not a secret"})
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse an allowance that is not limited to a path or a hash."""
        if self.path is None and self.sha256 is None:
            raise ValueError("must have one of the keys 'path' or 'sha256'")


@attrs.frozen(kw_only=True, field_transformer=checked)
class Privacy:
    """Rules against publishing secrets and internal names."""

    scan: bool = attrs.field(default=True, metadata={"doc": "whether every layer is searched for secrets"})
    allow: tuple[Allowance, ...] = attrs.field(default=(), metadata={"doc": "findings that are not secrets"})
    hosts: Annotated[tuple[Annotated[str, rules.HOST], ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "internal host names, such as *.internal.example.org"}
    )
    position: Position | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True, field_transformer=checked)
class ImageRule:
    """Requirements for images. All rules that match an image's name apply."""

    names: Annotated[tuple[Annotated[str, rules.NAMES], ...], Distinct()] = attrs.field(
        default=("*",), metadata={"doc": "names of images; all by default"}
    )
    non_root: bool = attrs.field(default=False, metadata={"doc": "the user is a number, and not 0"})
    setuid: Paths | None = attrs.field(
        default=None, metadata={"doc": "the only files that may be set-user-id, set-group-id or have capabilities"}
    )
    world_writable: Paths | None = attrs.field(
        default=None,
        metadata={"doc": "the only paths that may be world-writable, besides directories with the sticky bit"},
    )
    labels: Annotated[tuple[Annotated[str, rules.LABEL], ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "labels that it must have"}
    )
    max_size: Annotated[Size, rules.SIZE] | None = attrs.field(
        default=None, metadata={"doc": "of all its layers as they are stored and pulled: kB, MB, GB, KiB, MiB, GiB"}
    )
    forbidden: Packages = attrs.field(default=(), metadata={"doc": "packages that it must not hold, * and ? allowed"})
    position: Position | None = attrs.field(default=None, eq=False, repr=False)
