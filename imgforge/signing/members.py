"""Members of signed JSON objects, narrowed. Pure."""

from __future__ import annotations

from imgforge.oci.document import DocumentError, Node


def only(node: Node, known: tuple[str, ...]) -> None:
    """Refuse an object with other members than these.

    Raises:
        DocumentError: there is another one, or this is no object.
    """
    unknown = sorted(set(node.keys()) - set(known))
    if unknown:
        raise DocumentError(f"{node.where}: expected {', '.join(known)}, got {unknown[0][:80]!r}")


def texts(node: Node | None) -> tuple[tuple[str, str], ...]:
    """Return the members of an object that are text, sorted by name; none for no object.

    Others are passed over: cosign's own annotations may hold any JSON, and nothing here depends on those.

    Raises:
        DocumentError: this is no object.
    """
    if node is None:
        return ()
    names = node.keys()
    return tuple((name, node.value[name]) for name in names if isinstance(node.value[name], str))
