"""The model's RPC get_work: it follows the server where the rules leave a choice."""

from __future__ import annotations

import re
from typing import Any

from goordinate.tests.model.reading import Name, fields, key_of, number, whole
from goordinate.tests.model.scheduler import permitted
from goordinate.tests.model.world import (
    DEFAULT_LEASE,
    FAILED,
    MAX_LEASE,
    PENDING,
    Spec,
    Unit,
    World,
)

#: Seconds by which the key of a made-up unit, which is the time, may be off: keys differ.
KEY_TOLERANCE = 0.001


class WorkRules(World):
    """Handing out units."""

    def get_work(self, worker: Name, options: dict[Any, Any], answer: Any) -> Any:
        """`answer` is the server's."""
        given = {key: value for key, value in fields(options).items() if value is not None}
        count, lease = whole(given.get(b"max_jobs", 1)), number(given.get(b"lease_time", 0))
        if not 1 <= lease <= MAX_LEASE:
            lease = DEFAULT_LEASE
        names = {key_of(name) for name in given.get(b"work_spec_names", ())} or None
        runtimes = {key_of(name) for name in given.get(b"runtimes", ())} or {b""}
        units = []
        if count > 0:
            units = self._hand_out(worker, count, lease, names, runtimes, *_first(answer[0]))
        if count == 1:
            return (units[0] if units else (None, None, None)), None
        return units, None

    def _hand_out(
        self,
        worker: Name,
        count: int,
        lease: float,
        names: set[bytes] | None,
        runtimes: set[bytes],
        taken_from: Name | None,
        first_key: Any,
    ) -> list[tuple[Name, Name, Any]]:
        while choice := permitted(self.specs, names, runtimes, self.time):
            given_up = [key for key in choice if self._gave_up(self.specs[key], count)]
            if given_up:  # all that were picked failed, and so it is the turn of the next
                spec = self.specs[given_up[0]]
            else:
                assert taken_from is not None, f"nothing taken, though {choice} could give"
                assert key_of(taken_from) in choice, f"taken from {taken_from!r}, not of {choice}"
                spec = self.specs[key_of(taken_from)]
            picked = self._picked(spec, count)
            if not picked:
                picked = [self._make(spec, first_key)]
            out = []
            for key in picked:
                unit = spec.units[key]
                unit.lapsed = None
                if _worn(spec, unit):
                    self._give_up(unit)
                else:
                    unit.status, unit.when = PENDING, self.time + lease
                    unit.worker, unit.not_before = self.see(worker), 0
                    out.append((spec.name, unit.name, unit.data))
            if out:
                return out
        return []

    def _picked(self, spec: Spec, count: int) -> list[bytes]:
        """The waiting units that a request for so many is given from a spec."""
        if spec.control.max_getwork is not None:
            count = min(count, max(1, spec.control.max_getwork))
        if spec.control.max_running is not None:
            count = min(count, spec.control.max_running - spec.pending())
        return spec.queue(self.time)[:count]

    def _gave_up(self, spec: Spec, count: int) -> bool:
        """Whether the next units have all lost too many leases, and the server says they failed."""
        picked = self._picked(spec, count)
        return (
            bool(picked)
            and all(_worn(spec, spec.units[key]) for key in picked)
            and self.listed(spec.name, FAILED).issuperset(picked)
        )

    def _give_up(self, unit: Unit) -> None:
        kept = {}
        if isinstance(unit.data, dict):
            kept = {k: v for k, v in unit.data.items() if k not in (b"traceback", "traceback")}
        unit.data = {**kept, b"traceback": b"too many retries"}
        unit.status, unit.when, unit.not_before = FAILED, self.time, 0

    def _make(self, spec: Spec, key: Any) -> bytes:
        """The unit that a continuous spec makes up, whose key is the time."""
        assert type(key) is bytes, f"a made-up key is {key!r}"
        assert re.fullmatch(rb"\d+\.\d+", key), f"a made-up key is {key!r}"
        assert abs(float(key) - self.time - self.shift) < KEY_TOLERANCE, f"{key!r} is not the time"
        assert key not in spec.units, f"{key!r} was made before"
        spec.units[key] = Unit(key, {}, priority=-1)
        spec.made = self.time
        return key


def _worn(spec: Spec, unit: Unit) -> bool:
    """Whether so many leases of a unit have run out that it fails."""
    return spec.control.max_retries is not None and unit.lapses >= spec.control.max_retries


def _first(taken: Any) -> tuple[Name | None, Any]:
    """The work spec and the key of the first unit in an answer of get_work."""
    first = taken[0] if isinstance(taken, list) and taken else taken
    return (first[0], first[1]) if isinstance(first, tuple) else (None, None)
