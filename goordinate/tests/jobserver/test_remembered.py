"""Items that are remembered are read as those that are not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goordinate.cborrpc.decode import Reader
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import DecodeError
from goordinate.jobserver.options import MAX_REMEMBERED, name, names, number, options, remembered

READER = options(lease_time=number, work_spec_names=names, worker_id=name)

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        b"lease_time": st.sampled_from([3, 300, None, b"no number"]),
        b"work_spec_names": st.lists(st.sampled_from([b"a", b"b", b"a" * 100]), max_size=3),
        b"worker_id": st.sampled_from([b"w", "w"]),
        b"available_gb": st.sampled_from([7, 70]),
    },
)
REQUESTS = st.tuples(
    OPTIONS.map(dumps),
    st.binary(max_size=2),  # before
    st.just(b"") | st.binary(max_size=40),  # after
    st.just(0) | st.integers(0, 40),  # bytes that are cut off
    st.integers(0, 4),  # depth
)


def outcome(reader: Reader[object], buf: bytes, pos: int, depth: int) -> object:
    """What a reader returns or raises."""
    try:
        return reader(buf, pos, depth)
    except DecodeError as error:
        return str(error)


@given(st.lists(REQUESTS, max_size=3 * MAX_REMEMBERED))
def test_what_came_before_changes_nothing(
    requests: list[tuple[bytes, bytes, bytes, int, int]],
) -> None:
    reader = remembered(READER)
    for item, before, after, cut, depth in requests:
        buf = before + item + after
        buf = buf[: len(buf) - cut]
        assert outcome(reader, buf, len(before), depth) == outcome(READER, buf, len(before), depth)


def test_the_same_bytes_are_read_once() -> None:
    reader = remembered(READER)
    item = dumps({b"lease_time": 3})
    assert reader(item, 0, 2)[0] is reader(b"x" + item + b"y", 1, 2)[0]
