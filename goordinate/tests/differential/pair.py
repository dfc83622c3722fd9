"""The same call to the original daemon and to ours, and what may differ in the answers."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.tests.connection import Connection
from goordinate.tests.exact import difference

#: A method and its parameters: a list by position, or a map by name.
Call = tuple[str, Any]

#: Stands for an error response, whatever it says.
REFUSED = "an error response"

#: Stands for a message, whatever it says.
A_MESSAGE = "a message"

#: Seconds by which two times may differ that should be the same.
TOLERANCE = 5.0

#: Seconds between two keys that the original makes up and that are sure to differ.
TICK = 0.011


@dataclass(frozen=True)
class Made:
    """The key of a unit that a continuous spec has made up, by its number; it has the time."""

    number: int


class Side:
    """One of the two daemons."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._made: list[bytes] = []

    def call(self, method: str, params: Any) -> Any:
        """The answer as it came, but for made-up keys; REFUSED for an error response."""
        number = next(self._ids)
        request = {b"id": number, b"method": method.encode(), b"params": self._with_keys(params)}
        response = loads(self._connection.exchange(dumps(request)))
        assert response[b"id"] == number
        if b"error" in response:
            assert type(response[b"error"][b"message"]) is bytes
            return REFUSED
        answer = response[b"result"]
        if method == "get_work":
            self._note_made(answer[0])
        return self._without_keys(answer)

    def spec_names(self) -> list[Any]:
        """The names of the work specs, as their dictionaries have them."""
        specs, following = self.call("list_work_specs", [{}])
        assert following is None
        return [spec.get(b"name", spec.get("name")) for spec in specs]

    def _note_made(self, units: Any) -> None:
        for _, key, _ in units if isinstance(units, list) else [units]:
            made = isinstance(key, bytes) and re.fullmatch(rb"\d{10}(\.\d+)?", key)
            if made and key not in self._made:
                self._made.append(key)

    def _with_keys(self, value: Any) -> Any:
        if isinstance(value, Made):
            return self._made[value.number] if value.number < len(self._made) else b"not made"
        return _rebuilt(value, self._with_keys)

    def _without_keys(self, value: Any) -> Any:
        if isinstance(value, bytes) and value in self._made:
            return Made(self._made.index(value))
        return _rebuilt(value, self._without_keys)


def _rebuilt(value: Any, change: Callable[[Any], Any]) -> Any:
    """A list, tuple or map with its items changed."""
    if isinstance(value, list | tuple):
        return type(value)(change(item) for item in value)
    if isinstance(value, dict):
        return {change(key): change(item) for key, item in value.items()}
    return value


class Pair:
    """Both daemons, which have been told the same."""

    def __init__(self, original: Callable[[], Connection], ours: Callable[[], Connection]) -> None:
        """What makes connections to the two."""
        self._connect = original, ours
        self._connections = self.new_connections()
        self.original, self.ours = map(Side, self._connections)
        self.history: list[Call] = []
        #: Whether get_work may make up a unit, whose key is the time.
        self.makes_units = False

    def begin(self) -> None:
        """Make both as good as new, whatever the test before has left."""
        self.close()
        self._connections = self.new_connections()
        self.original, self.ours = map(Side, self._connections)
        self.history = []
        self.makes_units = False
        for side in (self.original, self.ours):
            for spec in side.spec_names():
                side.call("del_work_spec", [spec])
            for worker in side.call("list_worker_modes", [])[0]:
                side.call("worker_unregister", [worker])

    def new_connections(self) -> tuple[Connection, Connection]:
        """A connection to each, the original first."""
        original, ours = (connect() for connect in self._connect)
        return original, ours

    def close(self) -> None:
        """Close the connections that the calls use."""
        for connection in self._connections:
            connection.close()

    def exchange(self, message: bytes) -> tuple[bytes, bytes]:
        """The answers to a message, the original's first."""
        original, ours = (connection.exchange(message) for connection in self._connections)
        return original, ours

    def both(self, method: str, params: Any) -> tuple[Any, Any]:
        """The answers of the original and of ours."""
        self.history.append((method, params))
        return self.original.call(method, params), self.ours.call(method, params)

    def check(self, method: str, *params: Any) -> Any:
        """Fail if the answers to a call differ; → what the original answers, comparable."""
        return self.check_call((method, list(params)))

    def check_call(self, call: Call) -> Any:
        """The same for a call as data."""
        method, params = call
        if method == "get_work" and self.makes_units:
            time.sleep(TICK)
        theirs, ours = (comparable(method, answer) for answer in self.both(method, params))
        if method == "get_child_work_units":
            theirs, ours = _still_leased(self._really_held(theirs)), _still_leased(ours)
        tolerance = TOLERANCE if method in WITH_TIMES else 0.0
        fault = difference(ours, theirs, method, tolerance)
        assert not fault, f"{fault}\n  original: {theirs!r}\n  ours: {ours!r}"
        return theirs

    def _really_held(self, answer: Any) -> Any:
        """What the original's children hold by what it says of each unit.

        Its own answer shows units since deleted, given back or handed to others, all of them as
        units of the spec that the child took from last, and forgets those of a worker that came
        back. So the units come from get_work_units and get_work_unit_status, and the answer
        gives the children; what it shows of units that are held must be among these.
        """
        if answer is REFUSED:
            return answer
        children, note = answer
        held: dict[Any, list[dict[bytes, Any]]] = {child: [] for child in children}
        for spec in self.original.spec_names():
            pending, _ = self.original.call("get_work_units", [spec, {b"state": 3}])
            keys = [key for key, _ in pending]
            statuses, _ = self.original.call("get_work_unit_status", [spec, keys])
            for (key, data), status in zip(pending, statuses, strict=True):
                if status[b"status"] == 3 and status.get(b"worker_id") in held:
                    held[status[b"worker_id"]].append(
                        {
                            b"work_spec_name": spec,
                            b"work_unit_key": key,
                            b"work_unit_data": data,
                            b"worker_id": status[b"worker_id"],
                            b"expires": status[b"expiration"],
                        }
                    )
        for child, units in children.items():
            real = {repr(unit[b"work_unit_key"]): unit for unit in held[child]}
            for shown in units:
                unit = real.get(repr(shown[b"work_unit_key"]))
                if unit and unit[b"expires"] == shown[b"expires"]:
                    unit = {**unit, b"work_spec_name": shown[b"work_spec_name"]}
                    assert not difference(unit, shown)
        return {child: _in_order(units) for child, units in held.items()}, note


def _still_leased(answer: Any) -> Any:
    """An answer of get_child_work_units without the units whose leases are over: of those, each
    daemon forgets some sooner than the other."""
    if answer is REFUSED:
        return answer
    children, note = answer
    now = time.time()
    return {
        child: [unit for unit in units if unit[b"expires"] is None or unit[b"expires"] > now]
        for child, units in children.items()
    }, note


def _in_order(units: list[dict[bytes, Any]]) -> list[dict[bytes, Any]]:
    return sorted(units, key=lambda u: repr((u[b"work_spec_name"], u[b"work_unit_key"])))


#: Methods whose answers have times in them.
WITH_TIMES = {"get_work_unit_status", "get_child_work_units"}

#: Methods that do not answer with a (value, message) pair.
NOT_A_PAIR = {"get_work_spec", "list_work_specs", "archive", "worker_stats", "clear"}


def comparable(method: str, answer: Any) -> Any:
    """An answer without what is known to differ.

    - What messages say: ours are in our words. Whether there is one must be the same.
    - `num_children` of worker_stats: the original counts all that ever were parents or were
      asked for as such.
    - The order of units in get_child_work_units: the original has none.
    """
    if answer is REFUSED:
        return answer
    if method not in NOT_A_PAIR and type(answer) is tuple:
        value, note = answer
        assert note is None or type(note) is bytes
        answer = value, None if note is None else A_MESSAGE
    if method == "worker_stats":
        return {key: count for key, count in answer.items() if key != b"num_children"}
    if method == "get_child_work_units":
        children, note = answer
        return {child: _in_order(units) for child, units in children.items()}, note
    return answer
