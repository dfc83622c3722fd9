"""Copies a queue over the wire, from the original, its Go rewrite or ours to another daemon.

Rule: while a work spec is copied, the target has it with a dictionary that only names it: it is
paused, and units that have finished do not chain again. The real dictionary comes last. So what was
broken off is seen, and the next run goes on with it. At any time there is one page of units in
memory.

`python -m goordinate.client.copying FROM TO [--work-spec NAME]..` is the command.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from goordinate.cborrpc.client import Client, RemoteError
from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.errors import RPCError
from goordinate.cborrpc.tags import Encoded
from goordinate.client import answers
from goordinate.client.constants import AVAILABLE, FAILED, FINISHED, PENDING
from goordinate.client.forms import as_bytes, as_text
from goordinate.client.strings import Name

NOT_COPIED: Final = (
    "priorities, delays and past attempts of units",
    "when units ended",
    "archived units",
    "workers and locks",
)
"""What cannot be seen over the wire."""

PAGE: Final = 1000
"""Units of a page, at most."""

PAGE_BYTES: Final = 4 * 2**20
"""Bytes of a page, about, and of a request that adds units, unless one unit is larger."""

_COPYING: Final = b"goordinate_copying"
"""The key in the dictionary of a work spec that is not copied whole yet."""

_MADE: Final = frozenset((PENDING, FINISHED, FAILED))
"""The states that a unit is put into after it was added."""

_MAX_LEASE: Final = 86_400.0


class CopyError(Exception):
    """The queue cannot be copied; the text says why."""


@dataclass(slots=True)
class Copied:
    """How far a work spec is copied."""

    work_spec: Name
    #: Units of the source when the copying began, archived ones included.
    total: int
    #: Units that are in the target.
    units: int = 0
    #: Those of them that this run has sent.
    sent: int = 0
    #: Whether the target had the work spec, copied whole: then nothing was done.
    was_there: bool = False
    #: State -> units.
    states: dict[int, int] = field(default_factory=dict)


Progress = Callable[[Copied], None]
"""Is called after each page."""


def copy(
    source: Client,
    target: Client,
    work_specs: Sequence[Name] | None = None,
    *,
    progress: Progress | None = None,
) -> list[Copied]:
    """Copy work specs (None: all) with their units; what was copied of each.

    Data and names keep their bytes. A pending unit keeps its worker and the rest of its lease. The
    source should be at rest: what changes there meanwhile may be missed. It is not changed.

    Raises CopyError if there is no such work spec, or the target has another of its name; OSError
    and CBORError as `Client.call` does.
    """
    dictionaries: Iterable[bytes] = _dictionaries(source)
    if work_specs is not None:  # all are looked for before any is copied
        dictionaries = [_dictionary(source, name) for name in work_specs]
    return [_SpecCopy(source, target, each, progress).run() for each in dictionaries]


def _dictionaries(client: Client) -> Iterator[bytes]:
    """The dictionaries of all work specs, some at a time."""
    start: Any = None
    while True:
        options = {"limit": 100} if start is None else {"limit": 100, "start": start}
        page, start = client.call("list_work_specs", options, read=answers.SPECS)
        yield from page
        if start is None:
            return


def _dictionary(client: Client, name: Name) -> bytes:
    dictionary: bytes | None = client.call("get_work_spec", name, read=answers.SPEC)
    if dictionary is None:
        raise CopyError(f"the source has no work spec {as_text(name)!r}")
    return dictionary


def _field(values: dict[Any, Any], name: bytes) -> Any:
    """A value by its key, which may be bytes or text."""
    return values.get(name, values.get(name.decode()))


class _SpecCopy:
    """Copies one work spec."""

    def __init__(
        self, source: Client, target: Client, dictionary: bytes, progress: Progress | None
    ) -> None:
        self._source = source
        self._target = target
        self._dictionary = dictionary
        self._progress = progress
        self._name: Name = _field(loads(dictionary), b"name")
        counts, _ = source.call("count_work_units", self._name)
        self._copied = Copied(self._name, sum(counts.values()))

    def run(self) -> Copied:
        """Copy it, or the rest of it."""
        present = self._target.call("get_work_spec", self._name, read=answers.SPEC)
        if present is None:
            self._done("set_work_spec", {b"name": self._name, b"disabled": True, _COPYING: True})
        elif _field(loads(present), _COPYING) is None:
            if loads(present) != loads(self._dictionary):
                name = as_text(self._name)
                raise CopyError(f"the target has another work spec {name!r}: delete it first")
            self._copied.was_there = True
            return self._copied
        for units, now in self._pages():
            self._copy_page(units, now, resumed=present is not None)
            if self._progress is not None:
                self._progress(self._copied)
        self._finish()
        return self._copied

    def _pages(self) -> Iterator[tuple[list[tuple[Name, bytes]], float]]:
        """The units of the source by key, and the time there when they were asked for."""
        options: dict[str, Any] = {"limit": 100}
        while True:
            now = _now(self._source)
            units, _ = self._source.call(
                "get_work_units", self._name, options, read=answers.KEYS_AND_DATA
            )
            if not units:
                return
            yield units, now
            last = units[-1][0]
            options["start"] = last + ("\0" if isinstance(last, str) else b"\0")
            size = sum(len(data) for _, data in units) // len(units) or 1
            options["limit"] = max(1, min(PAGE, PAGE_BYTES // size))

    def _copy_page(self, units: list[tuple[Name, bytes]], now: float, *, resumed: bool) -> None:
        statuses = self._statuses(self._source, [key for key, _ in units])
        there = self._there(units) if resumed else {}
        calls: list[tuple[str, Sequence[object]]] = []
        adding: list[tuple[Name, Encoded]] = []
        size = 0
        for (key, data), status in zip(units, statuses, strict=True):
            if status is None:  # deleted meanwhile
                continue
            options = _state(status, now)
            state = int(options.get("status", AVAILABLE))
            self._copied.units += 1
            self._copied.states[state] = self._copied.states.get(state, 0) + 1
            if there.get(as_bytes(key)) == (state, data):
                continue
            self._copied.sent += 1
            if size + len(data) > PAGE_BYTES and adding:
                self._done("add_work_units", self._name, adding)
                adding, size = [], 0
            adding.append((key, Encoded(data)))
            size += len(data)
            if options:
                calls.append(("update_work_unit", (self._name, key, options)))
            if "worker_id" in options:  # it is taken down of a unit that is pending already
                calls.append(calls[-1])
        if adding:
            self._done("add_work_units", self._name, adding)
        for outcome in self._target.call_many(calls):
            _check(outcome)

    def _there(self, units: list[tuple[Name, bytes]]) -> dict[bytes, tuple[int, bytes]]:
        """State and data of those of these units that the target has."""
        keys = [key for key, _ in units]
        statuses = self._statuses(self._target, keys)
        found, _ = self._target.call(
            "get_work_units", self._name, {"work_unit_keys": keys}, read=answers.KEYS_AND_DATA
        )
        return {
            as_bytes(key): (_field(status, b"status"), data)
            for (key, data), status in zip(found, statuses, strict=True)
            if status is not None
        }

    def _statuses(self, client: Client, keys: list[Name]) -> list[dict[Any, Any] | None]:
        statuses: list[dict[Any, Any] | None]
        statuses, _ = client.call("get_work_unit_status", self._name, keys)
        return statuses

    def _finish(self) -> None:
        """Give the target the dictionary, and the control values that were changed since."""
        self._done("set_work_spec", Encoded(self._dictionary))
        wanted, _ = self._source.call("get_work_spec_meta", self._name)
        given, _ = self._target.call("get_work_spec_meta", self._name)
        changes = {
            key: value for key, value in wanted.items() if _field(given, as_bytes(key)) != value
        }
        if changes:
            self._done("control_work_spec", self._name, changes)

    def _done(self, method: str, *params: object) -> None:
        """Make a call of the target that must succeed."""
        _check(self._target.call(method, *params))


def _now(client: Client) -> float:
    """The time by which a daemon works. The original does not tell: then it is that of here."""
    try:
        return float(client.call("now"))
    except RemoteError:
        return time.time()


def _check(outcome: Any) -> None:
    """Raises CopyError if a call was not done."""
    if isinstance(outcome, Exception):
        raise CopyError(f"the target refuses: {outcome}")
    done, message = outcome
    if not done:
        raise CopyError(f"the target refuses: {as_text(message or b'')}")


def _state(status: dict[Any, Any], now: float) -> dict[str, Any]:
    """The options of update_work_unit that bring a new unit into a state; none if it is in it."""
    state, end = _field(status, b"status"), _field(status, b"expiration")
    if state not in _MADE:
        return {}
    options: dict[str, Any] = {"status": state}
    if state != PENDING:
        return options
    if end is not None:
        if end <= now:
            return {}
        options["lease_time"] = min(end - now, _MAX_LEASE)
    worker = _field(status, b"worker_id")
    if worker is not None:
        options["worker_id"] = worker
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser("python -m goordinate.client.copying")
    parser.add_argument("source", metavar="FROM", help="host:port")
    parser.add_argument("target", metavar="TO", help="host:port")
    parser.add_argument("--work-spec", action="append", metavar="NAME", help="only this one")
    arguments = parser.parse_args(argv)

    def show(copied: Copied) -> None:
        name = as_text(copied.work_spec)
        print(f"{name}: {copied.units} of {copied.total} units", file=sys.stderr)

    try:
        # A page of the original may take long.
        with Client(arguments.source, timeout=60) as source, Client(arguments.target) as target:
            specs = copy(source, target, arguments.work_spec, progress=show)
    except (CopyError, RPCError, OSError) as error:
        print(f"not copied: {error}", file=sys.stderr)
        return 3 if isinstance(error, OSError) else 1
    for each in specs:
        what = "was there" if each.was_there else f"{each.units} units, {each.sent} sent now"
        print(f"{as_text(each.work_spec)}: {what}")
    print(f"not copied, as it cannot be seen: {'; '.join(NOT_COPIED)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
