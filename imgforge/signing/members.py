"""Typed access to members of signed JSON objects. Pure."""

from __future__ import annotations

from imgforge.oci.document import DocumentError, Node


def only(node: Node, known: tuple[str, ...]) -> None:
    """Refuse an object that has members other than these.

    Raises:
        DocumentError: unknown member, or not an object.
    """
    unknown = sorted(set(node.keys()) - set(known))
    if unknown:
        raise DocumentError(f"{node.where}: expected {', '.join(known)}, got {unknown[0][:80]!r}")


def texts(node: Node | None) -> tuple[tuple[str, str], ...]:
    """Return an object's string members, sorted by name; empty for None.

    Other members are ignored: cosign's annotations may hold any JSON, and nothing here depends on those.

    Raises:
        DocumentError: not an object.
    """
    if node is None:
        return ()
    names = node.keys()
    return tuple((name, node.value[name]) for name in names if isinstance(node.value[name], str))
