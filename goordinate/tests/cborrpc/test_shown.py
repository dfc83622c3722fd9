"""What others sent is shown on one line, and not too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goordinate.cborrpc.encode import encode_head
from goordinate.cborrpc.heads import BYTES, MAX_DEPTH, NULL, TAG
from goordinate.cborrpc.shown import SHOWN, shown
from goordinate.cborrpc.tags import (
    EMBEDDED,
    EMBEDDED_HEAD,
    TUPLE,
    TUPLE_HEAD,
    UUID_BYTES,
    UUID_HEAD,
)


class Unprintable:
    """Its repr fails."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"name", "'name'"),
        ("é", "'é'"),
        ("é".encode(), "'é'"),
        (b"a\nb\x1b[1m\xff", r"'a\nb\x1b[1m\\xff'"),
        ("\u2028", r"'\u2028'"),
        (b"x" * 300, f"'{'x' * 200}'... (300 long)"),
        ("x" * 300, f"'{'x' * 200}'... (300 long)"),
        ({b"a": 1}, "{b'a': 1}"),
        ([0] * 1000, f"{str([0] * 1000)[:200]}... (3000 long)"),
        (Unprintable(), "a value"),
    ],
)
def test_shown(value: object, text: str) -> None:
    assert shown(value) == text


@given(st.one_of(st.binary(), st.text(), st.lists(st.text())), st.integers(1, 50))
def test_anything_is_one_short_line(value: object, most: int) -> None:
    text = shown(value, most)
    assert text.isprintable()
    # An escaped character takes 10 at most.
    assert len(text) <= 10 * most + 30


def test_deep_values_are_short() -> None:
    assert len(shown(nested(MAX_DEPTH))) < SHOWN + 30
    assert shown(nested(100_000)) == "a value"


def test_heads_of_tags() -> None:
    assert encode_head(TAG, TUPLE) == TUPLE_HEAD
    assert encode_head(TAG, EMBEDDED) == EMBEDDED_HEAD
    assert encode_head(TAG, UUID_BYTES) + encode_head(BYTES, 16) == UUID_HEAD
    assert bytes([0xF6]) == NULL
