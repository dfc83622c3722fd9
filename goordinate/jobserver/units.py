"""RPCs on work units: add, list, count, look at, prioritize, update, delete, archive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator
from typing import Any

from goordinate.cborrpc.decode import Reader
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import DecodeError, InvalidParams
from goordinate.cborrpc.heads import NULL
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.requests import Method, Parameter
from goordinate.cborrpc.tags import Encoded
from goordinate.coordinate.api import Namespace, UnitState
from goordinate.coordinate.errors import HeldByAnother, NoSuchWorkSpec, NoSuchWorkUnit
from goordinate.coordinate.names import Name, printable
from goordinate.coordinate.new_units import NewWorkUnit
from goordinate.coordinate.states import AVAILABLE, NAMES, RPC_STATES, rpc_state, states_behind
from goordinate.coordinate.unit_data import field
from goordinate.jobserver.answers import (
    DONE,
    PAIR,
    bounded,
    fitting,
    message,
    no_spec,
    spliced_list,
)
from goordinate.jobserver.options import (
    DEFAULT_LEASE,
    MAX_LEASE,
    Options,
    hashable,
    integer,
    name,
    names,
    number,
    options,
    seconds,
    states,
    whole,
)
from goordinate.jobserver.specs import SPEC_NAME
from goordinate.jobserver.stored import StoredReaders

logger = logging.getLogger(__name__)

DEFAULT_PAGE = 1000
MAX_PAGE = 10_000

#: Units that are dropped by `archive` before others have their turn.
ARCHIVED_AT_ONCE = 100


class UnitCalls:
    """The RPCs of work units on one namespace.

    `kept` gives the number and the age (seconds) of done units that `archive` keeps a spec.
    """

    def __init__(
        self,
        namespace: Namespace,
        limits: Limits,
        kept: Callable[[], tuple[int | None, float | None]],
    ) -> None:
        self._namespace = namespace
        self._limits = limits
        self._kept = kept

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        stored = StoredReaders(self._limits)
        return [
            Method(
                "add_work_units",
                self.add_work_units,
                (SPEC_NAME, Parameter("work_unit_key_vals", stored.new_units)),
            ),
            Method("count_work_units", self.count_work_units, (SPEC_NAME,)),
            Method(
                "get_work_units",
                self.get_work_units,
                (SPEC_NAME, Parameter("options", LIST_OPTIONS)),
            ),
            Method(
                "get_work_unit_status",
                self.get_work_unit_status,
                (SPEC_NAME, Parameter("work_unit_keys", names)),
            ),
            Method(
                "prioritize_work_units",
                self.prioritize_work_units,
                (SPEC_NAME, Parameter("options", PRIORITIZE_OPTIONS)),
            ),
            Method(
                "update_work_unit",
                self.update_work_unit,
                (
                    SPEC_NAME,
                    Parameter("work_unit_key", name),
                    Parameter("options", update_options(stored)),
                ),
            ),
            Method(
                "del_work_units",
                self.del_work_units,
                (SPEC_NAME, Parameter("options", DELETE_OPTIONS)),
            ),
            Method("archive", self.archive, (Parameter("options", ARCHIVE_OPTIONS, default={}),)),
        ]

    @no_spec(False)
    def add_work_units(self, work_spec_name: Name, work_unit_key_vals: list[NewWorkUnit]) -> object:
        """Add units; one that exists gets new data and becomes available."""
        self._namespace.add_work_units(work_spec_name, work_unit_key_vals, restart=True)
        return DONE

    @no_spec(False)
    def count_work_units(self, work_spec_name: Name) -> object:
        """{status: count}, archived units included."""
        counts: dict[int, int] = {}
        for status, count in self._namespace.count_work_units(work_spec_name).items():
            counts[rpc_state(status)] = counts.get(rpc_state(status), 0) + count
        return counts, None

    @no_spec(None)
    def get_work_units(self, work_spec_name: Name, options: Options) -> object:
        """[(key, data), ..]: of the keys asked for, or a page of all or of some states."""
        keys = options.get(b"work_unit_keys")
        if keys:
            units = self._namespace.get_work_units(work_spec_name, keys)
            pairs = (
                PAIR + dumps(key) + (NULL if unit is None else unit.data)
                for key, unit in zip(keys, units, strict=True)
            )
            return spliced_list(bounded(pairs, self._limits.max_answer))
        limit = options.get(b"limit")
        if limit is None:
            limit = DEFAULT_PAGE
        elif limit > MAX_PAGE:
            logger.warning("get_work_units: limit %d cut to %d", limit, MAX_PAGE)
            limit = MAX_PAGE
        start, wanted = options.get(b"start"), options.get(b"state")
        page = self._namespace.list_work_units(
            work_spec_name,
            statuses=None if wanted is None else states_behind(wanted),
            # A number is below every key, as in Python 2: clients send start=0.
            start=start if isinstance(start, bytes | str) else None,
            limit=max(0, limit),
            by_priority=wanted is not None and not options.get(b"by_key"),
        )
        # The next page begins with the last unit of this one, so a page of one would be the end.
        entries = (PAIR + entry for entry in page)
        return spliced_list(fitting(entries, self._limits.max_answer, least=2))

    @no_spec(None)
    def get_work_unit_status(self, work_spec_name: Name, work_unit_keys: list[Name]) -> object:
        """[{status, expiration, worker_id, traceback} or None, ..]."""
        units = self._namespace.get_work_units(work_spec_name, work_unit_keys)
        # Encoded one by one: there may be a million, and a map is ten times its encoding.
        statuses = (NULL if unit is None else dumps(_status(unit)) for unit in units)
        return spliced_list(bounded(statuses, self._limits.max_answer))

    @no_spec(False)
    def prioritize_work_units(self, work_spec_name: Name, options: Options) -> object:
        """Set or adjust the priorities of some units."""
        keys = options.get(b"work_unit_keys")
        if keys is None:
            self._namespace.get_control(work_spec_name)
            return False, message("prioritize_work_units: options lack work_unit_keys")
        priority, adjustment = options.get(b"priority"), options.get(b"adjustment")
        if priority is not None:
            self._namespace.set_priorities(work_spec_name, keys, priority)
        else:
            self._namespace.set_priorities(work_spec_name, keys, adjustment or 0, add=True)
        return DONE

    @no_spec(False)
    def update_work_unit(
        self, work_spec_name: Name, work_unit_key: Name, options: Options
    ) -> object:
        """Record progress or the end of a unit; the table is `lifecycle.STEPS`."""
        status, lease = options.get(b"status"), options.get(b"lease_time")
        data = options.get(b"data")
        if type(data) is DecodeError:
            unit = printable(work_unit_key)
            raise InvalidParams(f"update_work_unit(): options: data: work unit {unit}: {data}")
        if status is None and lease is None:
            self._namespace.get_control(work_spec_name)
            return False, message("update_work_unit: options have neither status nor lease_time")
        delay = options.get(b"delay") or 0.0
        if delay and status != AVAILABLE:
            self._namespace.get_control(work_spec_name)
            return False, message(f"update_work_unit: delay goes with status {AVAILABLE} only")
        if lease is not None and lease > MAX_LEASE:
            logger.warning(
                "unit %s: lease_time %s is over the maximum, set to %s",
                printable(work_unit_key), lease, DEFAULT_LEASE,
            )  # fmt: skip
            lease = DEFAULT_LEASE
        try:
            self._namespace.update_work_unit(
                work_spec_name,
                work_unit_key,
                status=status,
                lease=lease,
                data=data,
                worker=options.get(b"worker_id"),
                holder=options.get(b"holder"),
                delay=delay,
            )
        except (NoSuchWorkUnit, HeldByAnother) as error:
            return False, message(error)
        return DONE

    @no_spec(0)
    def del_work_units(self, work_spec_name: Name, options: Options) -> object:
        """Delete all units, or by key and state; → (number deleted, None)."""
        keys, state = options.get(b"work_unit_keys"), options.get(b"state")
        if options.get(b"all"):
            return self._namespace.delete_work_units(work_spec_name), None
        if keys is None and state is None:
            self._namespace.get_control(work_spec_name)
            return 0, message("del_work_units: options have neither all, work_unit_keys nor state")
        statuses = None if state is None else states_behind([state])
        if keys is None and self._namespace.prepare_delete(work_spec_name):
            return self._delete_later(work_spec_name, statuses)
        deleted = self._namespace.delete_work_units(work_spec_name, names=keys, statuses=statuses)
        return deleted, None

    def _delete_later(
        self, work_spec_name: Name, statuses: Collection[int] | None
    ) -> Generator[None, None, object]:
        """Delete units by state when all is prepared; others have turns meanwhile."""
        try:
            while self._namespace.prepare_delete(work_spec_name):
                yield
            return self._namespace.delete_work_units(work_spec_name, statuses=statuses), None
        except NoSuchWorkSpec as error:
            return 0, message(error)

    def archive(self, options: Options) -> Generator[None, None, None]:
        """Drop done units beyond the configured limits, some at a time."""
        keep, max_age = self._kept()
        names = options.get(b"work_spec_names")
        while self._namespace.archive(names, keep, max_age, limit=ARCHIVED_AT_ONCE):
            yield


def _status(unit: UnitState) -> dict[bytes, object]:
    answer: dict[bytes, object] = {
        b"status": rpc_state(unit.status),
        b"expiration": unit.expiration,
    }
    if unit.worker_name:
        answer[b"worker_id"] = unit.worker_name
    traceback = field(unit.data, b"traceback")
    if traceback is not None:
        answer[b"traceback"] = Encoded(traceback)
    return answer


def _state(buf: bytes, pos: int, depth: int) -> tuple[int, int]:
    """A state that a unit can be put into."""
    value, end = integer(buf, pos, depth)
    if value not in RPC_STATES:
        expected = ", ".join(f"{state} ({NAMES[state]})" for state in RPC_STATES)
        raise DecodeError(f"expected one of {expected}", pos)
    return value, end


def update_options(stored: StoredReaders) -> Reader[dict[bytes, Any]]:
    """The reader of the options of update_work_unit."""
    return options(
        status=_state,
        lease_time=number,
        data=stored.item_or_fault,
        worker_id=name,
        holder=name,
        delay=seconds,
    )


LIST_OPTIONS = options(
    work_unit_keys=names, state=states, start=hashable, limit=whole, by_key=hashable
)
PRIORITIZE_OPTIONS = options(work_unit_keys=names, priority=number, adjustment=number)
DELETE_OPTIONS = options(all=hashable, work_unit_keys=names, state=integer)
ARCHIVE_OPTIONS = options(work_spec_names=names)
