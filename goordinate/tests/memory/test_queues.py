"""The queues of a work spec against plain lists."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from goordinate.coordinate.states import AVAILABLE, UNIT_STATES
from goordinate.memory import queues
from goordinate.memory.queues import UnitQueues, first

Unit = tuple[bytes, int, float]


class PlainQueues:
    """The same as `UnitQueues`, plainly right: one list, sorted for every answer."""

    def __init__(self) -> None:
        self.units: list[Unit] = []

    def count(self, state: int) -> int:
        return sum(unit[1] == state for unit in self.units)

    def by_key(self, states: tuple[int, ...], start: bytes) -> list[bytes]:
        return sorted(key for key, state, _ in self.units if state in states and key >= start)

    def by_priority(self, states: tuple[int, ...], start: bytes) -> list[bytes]:
        found = [unit for unit in self.units if unit[1] in states and unit[0] >= start]
        return [key for key, _, _ in sorted(found, key=lambda unit: (-unit[2], unit[0]))]

    def head(self) -> Unit | None:
        """The unit that runs next."""
        available = [unit for unit in self.units if unit[1] == AVAILABLE]
        return min(available, key=lambda unit: (-unit[2], unit[0]), default=None)


def check(real: UnitQueues, plain: PlainQueues, starts: list[bytes]) -> None:
    """Compare all that can be asked."""
    for state in UNIT_STATES:
        assert real.counts[state] == plain.count(state)
    head = plain.head()
    assert real.head_priority() == (None if head is None else head[2])
    for size in range(len(UNIT_STATES) + 1):
        for states in combinations(UNIT_STATES, size):
            for start in starts:
                assert list(real.by_key(states, start)) == plain.by_key(states, start)
                assert list(real.by_priority(states, start)) == plain.by_priority(states, start)


KEYS = st.binary(max_size=2)
PRIORITIES = st.sampled_from([0, 0, 0, 1, -1, 0.5, -0.0, 10**20, 1e20, -3.25])
STEPS = st.lists(
    st.tuples(st.just("add"), KEYS, st.sampled_from(UNIT_STATES), PRIORITIES)
    | st.tuples(st.just("remove"), KEYS, st.just(0), st.just(0))
    | st.tuples(st.just("pop"), st.just(b""), st.just(0), st.just(0)),
    max_size=40,
)


def run(steps: list[tuple[str, bytes, int, float]]) -> tuple[UnitQueues, PlainQueues]:
    """Take the steps with both."""
    real, plain = UnitQueues(), PlainQueues()
    for step, key, state, priority in steps:
        present = next((unit for unit in plain.units if unit[0] == key), None)
        if step == "pop":
            head = plain.head()
            if head is not None:
                assert real.pop_head() == head[0]
                plain.units.remove(head)
        elif present is not None:
            real.remove(*present)
            plain.units.remove(present)
        elif step == "add":
            if state == AVAILABLE and priority == 0:
                real.add_available([key])
            else:
                real.add(key, state, priority)
            plain.units.append((key, state, priority))
    return real, plain


@given(STEPS, KEYS)
def test_as_plain_lists_would(steps: list[tuple[str, bytes, int, float]], start: bytes) -> None:
    # With so few units, the limit of what may wait unsorted must be low to be met.
    with patch.object(queues, "STAGED", 3):
        check(*run(steps), [b"", start])


def random_steps(rng: random.Random, count: int) -> Iterator[tuple[str, bytes, int, float]]:
    """Steps with keys that are mostly new and many priorities, some of them alone."""
    for _ in range(count):
        step = rng.choice(("add", "add", "add", "remove", "pop"))
        priority = rng.choice((0, 0, rng.randrange(-5, 5), rng.random()))
        yield step, rng.randbytes(2), rng.choice(UNIT_STATES), priority


def test_many_units_and_priorities() -> None:
    for seed in range(3):
        real, plain = run(list(random_steps(random.Random(seed), 1500)))
        assert len(plain.units) > 300
        check(real, plain, [b"", b"\x55", b"\xf0"])


def test_more_than_may_wait_unsorted() -> None:
    keys = [b"%05d" % number for number in range(3 * queues.STAGED)]
    random.Random(1).shuffle(keys)
    real = UnitQueues()
    real.add_available(keys[:10])
    real.add_available(keys[10:2500])
    for key in keys[2500:]:
        real.add(key, AVAILABLE, 0)
    for key in keys[::3]:
        real.remove(key, AVAILABLE, 0)
    left = sorted(set(keys) - set(keys[::3]))
    assert real.counts[AVAILABLE] == len(left)
    assert [real.pop_head() for _ in left] == left
    assert real.head_priority() is None


def test_first() -> None:
    keys = [b"a", b"b", b"c"]
    for limit, expected in ((None, keys), (2, keys[:2]), (9, keys), (0, []), (-1, [])):
        assert first(iter(keys), limit) == expected
