"""The policy, version 1: what may enter an image, and where an image may go.

The keys are documented in docs/policy.md; tests compare that page and the JSON Schema next to this file with these
classes. An omitted key forbids nothing; an empty list allows nothing.
Annotations are not postponed in this module, because `checked` evaluates them when the class is created.
"""

from collections.abc import Iterator
from typing import Annotated

import attrs

from imgforge.document.bind import nearest
from imgforge.document.rule import ContradictionError, Keyed, checked
from imgforge.errors import Position
from imgforge.oci import reference
from imgforge.policy.parts import BaseRule, ImageRule, Key, LockRule, Privacy, PublishRule, SourceRule
from imgforge.policy.quantity import Signer

VERSION = 1
"""The format version, given as ``imgforge-policy: 1``."""

VERSION_KEY = "imgforge-policy"


@attrs.frozen(kw_only=True, field_transformer=checked)
class Policy:
    """The rules of operations for all images."""

    keys: Annotated[tuple[Key, ...], Keyed("name")] = attrs.field(
        default=(), metadata={"doc": "public keys, by the names that the rules use"}
    )
    bases: tuple[BaseRule, ...] | None = attrs.field(default=None, metadata={"doc": "the only bases"})
    sources: tuple[SourceRule, ...] | None = attrs.field(
        default=None, metadata={"doc": "the only sources of packages, for manifests and bases alike"}
    )
    locks: LockRule = attrs.field(
        factory=LockRule, metadata={"doc": "whose signature of a lock vouches for its packages"}
    )
    publish: tuple[PublishRule, ...] | None = attrs.field(
        default=None, metadata={"doc": "the only repositories to push to, and to trust when an image is verified"}
    )
    privacy: Privacy = attrs.field(factory=Privacy, metadata={"doc": "rules against publishing secrets"})
    image: tuple[ImageRule, ...] = attrs.field(default=(), metadata={"doc": "what images must be like"})
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse undefined key names, and `publish` rules for anything but a registry."""
        known = tuple(key.name for key in self.keys)
        places = [
            (place, f"{name!r} is not among 'keys'{nearest(name, known)}")
            for place, signer in self._signers()
            for name in signer.names
            if name not in known
        ]
        places += [
            (f"publish[{index}].to", "must be a registry: docker://HOST/REPOSITORY")
            for index, rule in enumerate(self.publish or ())
            if rule.to.transport != reference.DOCKER
        ]
        if places:
            raise ContradictionError(tuple(places))

    def _signers(self) -> Iterator[tuple[str, Signer]]:
        rules = [*_numbered("bases", self.bases), *_numbered("publish", self.publish)]
        for place, rule in rules:
            yield from ((f"{place}.signed-by[{index}]", signer) for index, signer in enumerate(rule.signed_by))
        yield from ((f"locks.signed-by[{index}]", signer) for index, signer in enumerate(self.locks.signed_by))


def _numbered(
    key: str, rules: tuple[BaseRule | PublishRule, ...] | None
) -> Iterator[tuple[str, BaseRule | PublishRule]]:
    return ((f"{key}[{index}]", rule) for index, rule in enumerate(rules or ()))


NONE = Policy()
"""The default policy. It forbids only one thing: publishing an image with inputs marked as private."""
