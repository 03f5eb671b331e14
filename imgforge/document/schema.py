"""The JSON Schema of a document class, for completion and validation in editors.

It is generated from the same annotations and rules that `bind` uses, but is less strict: it cannot express rules across
keys, nor a rule's `reason`. Every valid document satisfies the schema.
Source: JSON Schema 2020-12 (https://json-schema.org/draft/2020-12/json-schema-core).
"""

from __future__ import annotations

import inspect
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

from imgforge.document.bind import keys
from imgforge.document.rule import TEXT, Distinct, Keyed, Rule

Schema = dict[str, Any]


def schema(owner: type, *, key: str, version: int, title: str) -> Schema:
    """Return the schema of a whole document.

    Args:
        owner: the document's class.
        key: the version key.
        version: the version of `owner`.
        title: the format's name, for people.
    """
    definitions: dict[str, Schema] = {}
    body = _object(owner, definitions)
    body["properties"] = {key: {"const": version, "description": "the version of this format"}, **body["properties"]}
    body["required"] = [key, *body["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{key}:{title}:{version}",
        "title": f"{key} {title}, version {version}",
        **body,
        "$defs": dict(sorted(definitions.items())),
    }


def _object(owner: type, definitions: dict[str, Schema], *, without: str = "") -> Schema:
    fields = {name: field for name, field in keys(owner).items() if field.name != without}
    properties = {}
    for name, field in fields.items():
        properties[name] = _of(field.type, definitions)
        if "doc" in field.metadata:
            properties[name] = {"description": field.metadata["doc"], **properties[name]}
        if isinstance(field.default, str | int):
            properties[name]["default"] = field.default
    return {
        "type": "object",
        "description": (inspect.getdoc(owner) or "").partition("\n")[0],
        "properties": properties,
        "required": [name for name, field in fields.items() if field.default is attrs.NOTHING],
        "additionalProperties": False,
    }


def _reference(owner: type, definitions: dict[str, Schema], *, without: str = "") -> Schema:
    """Add a class to the definitions and return a reference to it.

    A class in a mapping is written without the attribute that is its key.
    """
    name = owner.__name__ + (f"By{without.capitalize()}" if without else "")
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _object(owner, definitions, without=without)
    pointer = {"$ref": f"#/$defs/{name}"}
    short = getattr(owner, "SHORT", without)
    return {"anyOf": [_of(keys(owner)[short].type, definitions), pointer]} if short != without else pointer


def _of(hint: Any, definitions: dict[str, Schema]) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], definitions)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        kinds = [_of(kind, definitions) for kind in arguments if kind is not NoneType]
        return kinds[0] if len(kinds) == 1 else {"oneOf": kinds}
    if origin is tuple:
        if get_origin(arguments[0]) is not tuple:
            return {"type": "array", "items": _of(arguments[0], definitions)}
        name, value = get_args(arguments[0])
        names = {key: text for key, text in _of(name, definitions).items() if key != "type"}
        return {"type": "object", "propertyNames": names, "additionalProperties": _of(value, definitions)}
    return _reference(hint, definitions) if attrs.has(hint) else _scalar(hint, TEXT)


def _annotated(hint: Any, marks: tuple[Any, ...], definitions: dict[str, Schema]) -> Schema:
    first = marks[0]
    if isinstance(first, Rule):
        return _scalar(hint, first)
    if isinstance(first, Keyed):
        owner = get_args(hint)[0]
        names = _of(keys(owner)[first.attribute].type, definitions)
        pointer = _reference(owner, definitions, without=first.attribute)
        return {"type": "object", "propertyNames": {"pattern": names["pattern"]}, "additionalProperties": pointer}
    unique = {"uniqueItems": True} if Distinct() in marks else {}
    return _of(hint, definitions) | unique


def _scalar(hint: Any, rule: Rule) -> Schema:
    if hint is bool:
        return {"type": "boolean"}
    if hint is int and not rule.is_octal:
        limits = {"minimum": rule.least, "maximum": rule.most}
        return {"type": "integer"} | {key: value for key, value in limits.items() if value is not None}
    if rule.choices:
        return {"enum": list(rule.choices)}
    pattern = {"pattern": f"^(?:{rule.pattern})$"} if rule.pattern else {}
    return {"type": ["string", "number", "boolean"] if rule.is_written else "string"} | pattern
