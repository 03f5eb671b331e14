"""The policy, version 1: what may enter an image, and where an image may go.

Source of its keys: docs/policy.md, which is checked against this class, as is the JSON Schema beside this file.
A key that is left out forbids nothing; a list that is empty allows nothing.
Annotations are not postponed here, because `checked` reads them when the class is made.
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
"""The format's version, which a policy gives as ``imgforge-policy: 1``."""

VERSION_KEY = "imgforge-policy"


@attrs.frozen(kw_only=True, field_transformer=checked)
class Policy:
    """What operations decide about every image."""

    keys: Annotated[tuple[Key, ...], Keyed("name")] = attrs.field(
        default=(), metadata={"doc": "public keys, by the names that the rules use"}
    )
    bases: tuple[BaseRule, ...] | None = attrs.field(default=None, metadata={"doc": "the only bases"})
    sources: tuple[SourceRule, ...] | None = attrs.field(
        default=None, metadata={"doc": "the only sources of packages, whoever names them"}
    )
    locks: LockRule = attrs.field(
        factory=LockRule, metadata={"doc": "whose signature of a lock vouches for the packages of it"}
    )
    publish: tuple[PublishRule, ...] | None = attrs.field(
        default=None, metadata={"doc": "the only repositories to push to, and to trust when an image is verified"}
    )
    privacy: Privacy = attrs.field(factory=Privacy, metadata={"doc": "what must not get out"})
    image: tuple[ImageRule, ...] = attrs.field(default=(), metadata={"doc": "what images must be like"})
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse names of keys that there are not, and publishing to what is no registry."""
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
"""The policy where there is none: nothing is forbidden but to publish what a manifest says is private."""
