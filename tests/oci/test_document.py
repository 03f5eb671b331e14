from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge.errors import IntegrityError
from imgforge.oci import document
from imgforge.oci.document import DocumentError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES))
def test_what_is_dumped_is_read_back(value: dict[str, object]) -> None:
    assert document.parse(document.dump(value), what="it").value == value


def test_the_canonical_form_has_sorted_keys_no_spaces_and_utf_8() -> None:
    assert (
        document.dump({"b": [1, {"z": "é", "a": None}], "a": "</"}) == '{"a":"</","b":[1,{"a":null,"z":"é"}]}'.encode()
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "it: expected JSON: "),
        (b"{", "it: expected JSON: "),
        (b"[]", "it: expected an object, got an array"),
        (b"null", "it: expected an object, got null"),
        (b'"x"', "it: expected an object, got 'x'"),
        (b"1.5", "it: expected an object, got a number"),
        (b'{"a":1,"a":2}', "it: expected JSON: key 'a' is given twice"),
        (b'{"a":{"x":1,"b":1,"b":1}}', "it: expected JSON: key 'b' is given twice"),
        (b'{"a":NaN}', "it: expected JSON: NaN is not a JSON number"),
        (b'{"a":Infinity}', "it: expected JSON: Infinity is not a JSON number"),
        (b'{"a":"\xff"}', "it: expected JSON: it is not UTF-8"),
        (b"\xff\xfe{\0}\0", "it: expected JSON: it is not UTF-8"),
        (rb'{"a":"\ud800"}', "it: expected JSON: it is not UTF-8"),
        (b'{"a":' + b"[" * 100_000 + b"}", "it: expected JSON: it is nested too deeply"),
        (b'{"a":' + b"9" * 5000 + b"}", "it: expected JSON: Exceeds the limit"),
        (b'{"a":"' + b"x" * document.CAP + b'"}', "it: expected at most 4194304 bytes, got 4194312"),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(DocumentError) as error:
        document.parse(raw, what="it")
    assert str(error.value).startswith(message)


def test_many_keys_of_which_the_last_is_a_twin_are_refused_at_once() -> None:
    raw = b"{" + b",".join(b'"%d":1' % number for number in range(200_000)) + b',"0":1}'
    with pytest.raises(DocumentError, match="key '0' is given twice"):
        document.parse(raw, what="it")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda node: node.need("x"), "it: expected a member 'x', got none"),
        (lambda node: node.need("none"), "it: expected a member 'none', got none"),
        (lambda node: node.need("text").number(), "it: text: expected a whole number from 0 to 2^63-1, got 'word'"),
        (lambda node: node.need("flag").number(), "it: flag: expected a whole number from 0 to 2^63-1, got True"),
        (lambda node: node.need("low").number(), "it: low: expected a whole number from 0 to 2^63-1, got -1"),
        (lambda node: node.need("high").number(), "it: high: expected a whole number from 0 to 2^63-1, got 92233"),
        (lambda node: node.need("part").number(), "it: part: expected a whole number from 0 to 2^63-1, got a number"),
        (lambda node: node.need("low").text(), "it: low: expected text, got -1"),
        (lambda node: node.need("low").flag(), "it: low: expected true or false, got -1"),
        (lambda node: node.need("list").texts(), "it: list[1]: expected text, got an object"),
        (lambda node: node.need("text").texts(), "it: text: expected an array, got 'word'"),
        (lambda node: node.need("list").pairs(), "it: list: expected an object, got an array"),
        (lambda node: node.need("list").find("x"), "it: list: expected an object, got an array"),
        (lambda node: node.need("map").pairs(), "it: map: b: expected text, got 1"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_place(read: object, message: str) -> None:
    value = {"text": "word", "flag": True, "low": -1, "high": 1 << 63, "part": 1.5, "list": ["a", {}], "none": None}
    node = document.parse(document.dump({**value, "map": {"a": "x", "b": 1}}), what="it")
    with pytest.raises(IntegrityError) as error:
        read(node)  # type: ignore[operator]
    assert str(error.value).startswith(message)
