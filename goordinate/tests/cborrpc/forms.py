"""Strategies for values and encodings, and a comparison that sees types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from goordinate.cborrpc import UNDEFINED, DecodeError, Simple, Tag
from goordinate.cborrpc.encode import encode_head


def form(value: Any) -> Any:
    """The value so that `==` sees every difference that CBOR sees: the types of all parts and
    the sign of zero, with NaN equal to itself.  The order of a map's keys does not count."""
    if isinstance(value, dict):
        return dict, sorted(((form(key), form(item)) for key, item in value.items()), key=repr)
    if isinstance(value, list | tuple):
        return type(value), [form(item) for item in value]
    if isinstance(value, Tag):
        return Tag, value.number, form(value.value)
    if isinstance(value, float):
        return float, repr(value)
    if type(value) is int:
        return int, hex(value)  # `repr`, which sorts above, refuses decimals of over 4,300 digits
    return type(value), value


def attempt(read: Callable[..., Any], data: bytes, *where: int) -> Any:
    """What a reader gives for the data, which may be the fault that it finds in it."""
    try:
        return read(data, *where)
    except DecodeError as fault:
        return fault


simples = st.sampled_from([Simple(n) for n in range(256) if not 20 <= n < 32])
# Numbers that neither we nor other decoders give a meaning.
tag_numbers = st.integers(min_value=100_000, max_value=2**64 - 1)
# Bytes with lengths from each size of head.
contents = st.builds(
    lambda content, times: content * times,
    st.binary(max_size=30),
    st.sampled_from([1, 1, 10, 3000]),
)
# Keys that are different in CBOR and in Python, and in cbor2 too: floats and simple values are
# not, as 1, 1.0, True (and to cbor2 simple value 1) are one key.
keys = (
    st.binary(max_size=30)
    | st.text(max_size=10)
    | st.integers()
    | st.uuids()
    | st.tuples(st.binary(max_size=3), st.none())
)


def values_with(floats: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    """Values of all types, nested, with these floats."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(min_value=-(2**70), max_value=2**70)
        | st.integers(min_value=-300, max_value=300)
        | floats
        | contents
        | st.text(max_size=30)
        | st.uuids()
        | st.just(UNDEFINED)
        | simples
    )
    return st.recursive(
        scalars,
        lambda items: (
            st.lists(items, max_size=5)
            | st.lists(items, max_size=5).map(tuple)
            | st.dictionaries(keys, items, max_size=5)
            | st.builds(Tag, tag_numbers, items)
        ),
        max_leaves=15,
    )


values = values_with(st.floats())


def head(major: int, argument: int, longer: int = 0) -> bytes:
    """A head that may be up to three sizes longer than the shortest (not preferred)."""
    shortest = encode_head(major, argument)
    sizes = [size for size in (2, 3, 5, 9) if size > len(shortest)]
    if not longer or not sizes:
        return shortest
    size = sizes[min(longer, len(sizes)) - 1]
    info = {2: 24, 3: 25, 5: 26, 9: 27}[size]
    return bytes([major << 5 | info]) + argument.to_bytes(size - 1, "big")


longer = st.integers(min_value=0, max_value=3)


@st.composite
def _string_encodings(draw: st.DrawFn) -> bytes:
    def one() -> bytes:
        content: bytes = draw(
            st.binary(max_size=30) if major == 2 else st.text(max_size=10).map(str.encode)
        )
        return head(major, len(content), draw(longer)) + content

    major = draw(st.sampled_from([2, 3]))
    if draw(st.booleans()):
        return one()
    return bytes([major << 5 | 31, *b"".join(one() for _ in range(draw(longer))), 0xFF])


@st.composite
def _number_encodings(draw: st.DrawFn) -> bytes:
    major = draw(st.sampled_from([0, 1, 7]))
    if major < 7:
        return head(major, draw(st.integers(min_value=0, max_value=2**64 - 1)), draw(longer))
    size = draw(st.sampled_from([2, 4, 8]))
    initial = {2: 0xF9, 4: 0xFA, 8: 0xFB}[size]
    return bytes([initial, *draw(st.binary(min_size=size, max_size=size))])


_simple_encodings = st.integers(min_value=0, max_value=23).map(
    lambda n: bytes([0xE0 + n])
) | st.integers(min_value=32, max_value=255).map(lambda n: bytes([0xF8, n]))


def _container_encodings(items: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    @st.composite
    def container(draw: st.DrawFn) -> bytes:
        major = draw(st.sampled_from([4, 5, 6]))
        if major == 6:
            number = draw(st.sampled_from([2, 3, 24, 37, 128, 55799]) | tag_numbers)
            return head(6, number, draw(longer)) + draw(items)
        count = draw(st.integers(min_value=0, max_value=5))
        content = b"".join(draw(items) for _ in range(count * (major - 3)))
        if draw(st.booleans()):
            return head(major, count, draw(longer)) + content
        return bytes([major << 5 | 31]) + content + b"\xff"

    @st.composite
    def embedded(draw: st.DrawFn) -> bytes:
        content = draw(items)
        cut = draw(st.integers(min_value=0, max_value=len(content)))
        if draw(st.booleans()):
            return b"\xd8\x18" + head(2, len(content)) + content
        first, second = content[:cut], content[cut:]
        chunks = head(2, cut) + first + head(2, len(second)) + second
        return b"\xd8\x18\x5f" + chunks + b"\xff"

    return container() | embedded()


# Well-formed items in every form there is, most of them not the preferred one.
encodings = st.recursive(
    _string_encodings() | _number_encodings() | _simple_encodings,
    _container_encodings,
    max_leaves=12,
)
