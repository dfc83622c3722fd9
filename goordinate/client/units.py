"""The calls on work units."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from goordinate.cborrpc import Encoded, RemoteError
from goordinate.cborrpc.decode import Reader, decode_item
from goordinate.cborrpc.heads import NULL

from . import answers
from .constants import (
    AVAILABLE,
    BLOCKED,
    FAILED,
    FINISHED,
    MAX_LEASE_SECONDS,
    PENDING,
    PRI_PRIORITY,
)
from .exceptions import NoSuchWorkSpecError
from .forms import as_bytes, as_text
from .specs import SpecCalls
from .strings import Name

Data = Any
"""What a unit has: any value that CBOR can hold."""

Change = tuple[Name, Name, Mapping[str, Any]]
"""A work spec, the key of a unit, and the options of update_work_unit."""

UNFINISHED: Final = (AVAILABLE, PENDING)


class UnitCalls(SpecCalls):
    """The calls on work units; `TaskMaster` has them all."""

    def add_work_units(
        self, work_spec_name: Name, work_unit_key_vals: Mapping[Any, Data] | Iterable[Sequence[Any]]
    ) -> bool:
        """Add units. One that exists gets the new data and is available again.

        work_unit_key_vals: a map of key to data, or (key, data), (key, data, meta) or (key, data,
        meta, priority) each; meta may have `priority` and `delay`, in seconds. Returns False if
        there is no such work spec.
        """
        units: Iterable[Sequence[Any]]
        if isinstance(work_unit_key_vals, Mapping):
            units = work_unit_key_vals.items()
        else:
            units = work_unit_key_vals
        python2 = self._is_python2_spec(work_spec_name)
        new = [
            (
                self.rules.name_to_send(key, python2),
                self.rules.write(data, python2=python2),
                *rest,
            )
            for key, data, *rest in units
        ]
        return bool(self._answer("add_work_units", self._send(work_spec_name), new))

    def update_bundle(
        self, work_spec: Mapping[Any, Any], work_units: Any, nice: int | None = None
    ) -> None:
        """Set a work spec and add units to it. `nice` has no effect."""
        self.set_work_spec(work_spec)
        self.add_work_units(work_spec["name"], work_units)

    def count_work_units(self, work_spec_name: Name) -> Any:
        """{state: number of units}; False if there is no such work spec."""
        return self._answer("count_work_units", self._send(work_spec_name))

    def status(self, work_spec_name: Name) -> dict[str, int]:
        """The number of units as `num_available`, `num_pending`, `num_blocked`, `num_finished`,
        `num_failed`, and all of them as `num_tasks`.

        Raises NoSuchWorkSpecError.
        """
        counts = _existing(work_spec_name, self.count_work_units(work_spec_name))
        return {
            "num_available": counts.get(AVAILABLE, 0),
            "num_pending": counts.get(PENDING, 0),
            "num_blocked": counts.get(BLOCKED, 0),
            "num_finished": counts.get(FINISHED, 0),
            "num_failed": counts.get(FAILED, 0),
            "num_tasks": sum(counts.values()),
        }

    def wait(
        self, *work_spec_names: Name, timeout: float | None = None, poll: float = 1.0
    ) -> dict[str, dict[int, int]]:
        """Wait until no unit of these work specs is available or pending.

        timeout: seconds, None for any time. poll: seconds between two looks. Returns {work spec:
        {state: number}}. Raises TimeoutError, and NoSuchWorkSpecError.
        """
        end = None if timeout is None else time.monotonic() + timeout
        before = None
        while True:
            counts = self._count_all(work_spec_names)
            idle = not any(states.get(state) for states in counts.values() for state in UNFINISHED)
            # The specs are counted one after the other, and a unit may pass from one to the next
            # meanwhile. Where two looks see the same, none did.
            if idle and counts == before:
                return counts
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"units are left after {timeout:g} s: {counts}")
            before = counts
            if not idle:
                left = poll if end is None else min(poll, end - time.monotonic())
                time.sleep(max(0.0, left))

    def _count_all(self, work_spec_names: Sequence[Name]) -> dict[str, dict[int, int]]:
        calls = [("count_work_units", (self._send(name),)) for name in work_spec_names]
        found = zip(work_spec_names, self._call_many(calls), strict=True)
        return {as_text(name): _existing(name, answer[0]) for name, answer in found}

    def get_work_units(
        self,
        work_spec_name: Name,
        work_unit_keys: Name | Sequence[Name] | None = None,
        state: int | Sequence[int] | None = None,
        limit: int | None = None,
        start: Name | None = None,
    ) -> list[tuple[str, Data]] | None:
        """(key, data) of units; None if there is no such work spec.

        work_unit_keys: these, in this order, with None for one that is not there. Otherwise a page
        of at most `limit` (1000) units by key from `start` on; with `state` only of these states,
        higher priority first. `iter_work_units` gives them all.
        """
        options: dict[str, Any] = {}
        if work_unit_keys is not None:
            options["work_unit_keys"] = self._send_all(work_unit_keys)
        if state is not None:
            options["state"] = state
        if limit is not None:
            options["limit"] = limit
        if start is not None:
            options["start"] = self._send(start) if isinstance(start, bytes | str) else start
        return self._page(work_spec_name, options)

    def iter_work_units(
        self,
        work_spec_name: Name,
        *,
        start: Name | None = None,
        page: int = 1000,
        state: int | Sequence[int] | None = None,
    ) -> Iterator[tuple[str, Data]]:
        """(key, data) of every unit by key, in any number.

        start: the key to begin with. page: how many are asked for at once, 10,000 at most. state:
        only units of these states. Raises NoSuchWorkSpecError.
        """
        options: dict[str, Any] = {"limit": page}
        if state is not None:
            options.update(state=state, by_key=True)
        if start is not None:
            options["start"] = self._send(start)
        while True:
            units = self._page(work_spec_name, options)
            if units is None:
                raise _no_such(work_spec_name)
            if not units:
                return
            yield from units
            options["start"] = as_bytes(units[-1][0]) + b"\0"  # the least key above it

    def list_work_units(
        self, work_spec_name: Name, start: int = 0, limit: int | None = None
    ) -> dict[str, Data]:
        """{key: data} of available and pending units by key: `limit` of them (None: all) after the
        first `start`. Raises NoSuchWorkSpecError."""
        return self._window(work_spec_name, UNFINISHED, start, limit)

    def list_finished_work_units(
        self, work_spec_name: Name, start: int = 0, limit: int | None = None
    ) -> dict[str, Data]:
        """The same of finished units."""
        return self._window(work_spec_name, FINISHED, start, limit)

    def _window(
        self, work_spec_name: Name, state: int | Sequence[int], start: int, limit: int | None
    ) -> dict[str, Data]:
        end = None if limit is None else start + limit
        return dict(islice(self.iter_work_units(work_spec_name, state=state), start, end))

    def _page(self, work_spec_name: Name, options: object) -> list[tuple[str, Data]] | None:
        units = self._encoded_page(work_spec_name, options)
        if units is None:
            return None
        read, name = self.rules.read, self.rules.name
        return [(name(key), read(data)) for key, data in units]

    def _encoded_page(self, work_spec_name: Name, options: object) -> list[Any] | None:
        """The answer of get_work_units, with the data encoded."""
        units: list[Any] | None
        units, _ = self.client.call(
            "get_work_units", self._send(work_spec_name), options, read=answers.KEYS_AND_DATA
        )
        return units

    def get_work_unit_status(
        self, work_spec_name: Name, work_unit_keys: Name | Sequence[Name]
    ) -> Any:
        """What is known of units, each a dict, or None if it is not there: `status`, `expiration`
        (Unix time at which the lease ends, or the unit ended, or None), and if there is one
        `worker_id` and `traceback`.

        A single key gives one of these, a list of keys a list, or None if there is no such work
        spec. Raises NoSuchWorkSpecError for a single key.
        """
        one = isinstance(work_unit_keys, bytes | str)
        statuses = self._answer(
            "get_work_unit_status", self._send(work_spec_name), self._send_all(work_unit_keys)
        )
        if statuses is not None:
            statuses = [self._status(status) for status in statuses]
        return _existing(work_spec_name, statuses)[0] if one else statuses

    def _status(self, status: dict[Any, Any] | None) -> dict[str, Any] | None:
        if status is None:
            return None
        return {as_text(key): self.rules.answer(value) for key, value in status.items()}

    def prioritize_work_units(
        self,
        work_spec_name: Name,
        work_unit_keys: Name | Sequence[Name],
        priority: float | None = None,
        adjustment: float | None = None,
    ) -> bool:
        """Set the priority of units, or add to it; with neither, set it to 1. Keys that are not
        there are passed over. Returns False if there is no such work spec."""
        if priority is None and adjustment is None:
            priority = PRI_PRIORITY
        options = {
            "work_unit_keys": self._send_all(work_unit_keys),
            "priority": priority,
            "adjustment": adjustment,
        }
        return bool(self._answer("prioritize_work_units", self._send(work_spec_name), options))

    def update_work_unit(
        self,
        work_spec_name: Name,
        work_unit_key: Name,
        lease_time: float | None = None,
        status: int | None = None,
        data: Data = None,
        *,
        holder: Name | None = None,
        delay: float | None = None,
    ) -> bool:
        """Move a unit's lease to `lease_time` seconds from now (below 0: give it back), change its
        state, replace its data.

        holder: a worker; a unit that another one holds is left alone. delay: seconds after which a
        unit that becomes available may run. Returns False if there is no such spec or unit, if
        another holds it, or if neither lease_time nor status is given. Raises ValueError for a
        lease of more than a day.
        """
        options = {
            "lease_time": lease_time,
            "status": status,
            "data": data,
            "holder": holder,
            "delay": delay,
        }
        return self.update_work_units([(work_spec_name, work_unit_key, options)])[0]

    def update_work_units(self, changes: Iterable[Change]) -> list[bool]:
        """Make many changes, each (work spec, key, options of `update_work_unit`), in one message.

        Returns for each what `update_work_unit` does, and raises what it does.
        """
        return [bool(done) for done, _ in self._call_many(self._updates(changes))]

    def _updates(self, changes: Iterable[Change]) -> list[tuple[str, Sequence[object]]]:
        """The calls that make changes. What is not encoded yet takes the form of what it
        replaces."""
        calls: list[tuple[str, Sequence[object]]] = []
        for spec, key, change in changes:
            options = {name: value for name, value in change.items() if value is not None}
            if options.get("lease_time", 0) > MAX_LEASE_SECONDS:
                raise ValueError(f"a lease is at most {MAX_LEASE_SECONDS} seconds")
            data = options.get("data")
            if data is not None and not isinstance(data, Encoded):
                options["data"] = self._encoded_data(spec, key, data)
            if "holder" in options:
                options["holder"] = self._send(options["holder"])
            calls.append(("update_work_unit", (self._send(spec), self._send(key), options)))
        return calls

    def _encoded_data(self, work_spec_name: Name, key: Name, data: Data) -> Encoded:
        replaced = None
        if self.rules.follows:
            units = self._encoded_page(work_spec_name, {"work_unit_keys": [self._send(key)]})
            if units and units[0][1] != NULL:
                replaced = units[0][1]
        return self.encoded(work_spec_name, data, replaced)

    def encoded(self, work_spec_name: Name, data: Data, replaced: bytes | None) -> Encoded:
        """The encoding of a unit's data; replaced: that of what it replaces. Raises EncodeError."""
        return self.rules.write(data, replaced, self._is_python2_spec(work_spec_name))

    def retry(self, work_spec_name: Name, *work_unit_keys: Name) -> bool:
        """Make units available again, whatever their state. True if all were there."""
        changes = [(work_spec_name, key, {"status": AVAILABLE}) for key in work_unit_keys]
        return all(self.update_work_units(changes))

    def del_work_units(
        self,
        work_spec_name: Name,
        work_unit_keys: Name | Sequence[Name] | None = None,
        state: int | None = None,
        all: bool = False,
    ) -> int:
        """Delete units, and say how many: every one if `all` is True; else those of the keys, if
        given, and in the state, if given; none if nothing is given."""
        options: dict[str, Any] = {}
        if work_unit_keys is not None:
            options["work_unit_keys"] = self._send_all(work_unit_keys)
        if state is not None:
            options["state"] = state
        if all is True:
            options["all"] = True
        return int(self._answer("del_work_units", self._send(work_spec_name), options))

    def _call_many(
        self, calls: Iterable[tuple[str, Sequence[object]]], read: Reader[Any] = decode_item
    ) -> list[Any]:
        """The results of calls in one message. Raises RemoteError if one has failed."""
        results = self.client.call_many(calls, read=read)
        for result in results:
            if isinstance(result, RemoteError):
                raise result
        return results


def _no_such(work_spec_name: Name) -> NoSuchWorkSpecError:
    return NoSuchWorkSpecError(f"no such work spec {as_text(work_spec_name)!r}")


def _existing(work_spec_name: Name, answer: Any) -> Any:
    """What a server has answered. Raises NoSuchWorkSpecError if that is False or None."""
    if answer is None or answer is False:
        raise _no_such(work_spec_name)
    return answer
