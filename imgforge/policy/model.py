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
from imgforge.policy.parts import BaseRule, ImageRule, Key, Privacy, PublishRule, Signers, SourceRule

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
    publish: tuple[PublishRule, ...] | None = attrs.field(
        default=None, metadata={"doc": "the only repositories to push to, and to trust when an image is verified"}
    )
    privacy: Privacy = attrs.field(factory=Privacy, metadata={"doc": "what must not get out"})
    image: tuple[ImageRule, ...] = attrs.field(default=(), metadata={"doc": "what images must be like"})
    position: Position | None = attrs.field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse names of keys that there are not, and publishing to what is no registry."""
        known = tuple(key.name for key in self.keys)
        places = []
        for place, signers in self._signers():
            for index, signer in enumerate(signers):
                for name in signer.names:
                    if name not in known:
                        text = f"{name!r} is not among 'keys'{nearest(name, known)}"
                        places.append((f"{place}.signed-by[{index}]", text))
        for index, rule in enumerate(self.publish or ()):
            if rule.to.transport != reference.DOCKER:
                places.append((f"publish[{index}].to", "must be a registry: docker://HOST/REPOSITORY"))
        if places:
            raise ContradictionError(tuple(places))

    def _signers(self) -> Iterator[tuple[str, Signers]]:
        for index, base in enumerate(self.bases or ()):
            yield f"bases[{index}]", base.signed_by
        for index, target in enumerate(self.publish or ()):
            yield f"publish[{index}]", target.signed_by


NONE = Policy()
"""The policy where there is none: nothing is forbidden but to publish what a manifest says is private."""
