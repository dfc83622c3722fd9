"""The calls that only look, for operators: what costs no more than the answer is long."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from goordinate.coordinate import api
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.records import PAST, PRIORITY, STARTED, STATUS, expand, name_of
from goordinate.coordinate.states import AVAILABLE
from goordinate.memory.content import ContentCalls
from goordinate.memory.spec import Spec


class ViewCalls(ContentCalls):
    """Lists, searches and numbers."""

    # --- work specs ----------------------------------------------------------------------------

    def get_facts(self, work_spec: Name) -> api.SpecFacts:
        self._catch_up()
        return self._facts(self._spec(work_spec))

    def list_facts(self, start: Name | None = None, limit: int | None = None) -> api.FactsPage:
        self._catch_up()
        page: list[api.SpecFacts] = []
        for key in self._specs.irange(None if start is None else identity(start)):
            spec: Spec = self._specs[key]
            if limit is not None and len(page) >= limit:
                return api.FactsPage(page, spec.name)
            page.append(self._facts(spec))
        return api.FactsPage(page, None)

    def _facts(self, spec: Spec) -> api.SpecFacts:
        return api.SpecFacts(
            name=spec.name,
            control=spec.record.control,
            counts=spec.counts(),
            change=spec.change,
            counters=spec.tally.counters(),
            oldest_available=None,
        )

    # --- work units ----------------------------------------------------------------------------

    def list_unit_rows(
        self,
        work_spec: Name,
        *,
        statuses: Collection[int] | None = None,
        start: Name | None = None,
        previous: Name | None = None,
        before: Name | None = None,
        limit: int | None = None,
        by_priority: bool = False,
    ) -> list[api.UnitRow]:
        self._catch_up()
        api.check_page(start, previous, before, by_priority)
        spec = self._spec(work_spec)
        if before is not None:
            keys = spec.units.page_before(statuses, identity(before), limit)
        else:
            lowest = b"" if start is None else identity(start)
            if previous is not None:
                lowest = max(lowest, identity(previous) + b"\0")  # the next key there can be
            keys = spec.units.page(statuses, lowest, limit, by_priority)
        return self._rows_of(spec, keys)

    def _rows_of(self, spec: Spec, keys: Iterable[bytes]) -> list[api.UnitRow]:
        get, rows = spec.units.getter(), []
        for key in keys:
            stored = get(key)
            assert stored is not None
            record = expand(stored)
            attempts = len(record[PAST]) + (record[STARTED] is not None)
            rows.append(api.UnitRow(self._unit_state(key, record), attempts))
        return rows

    def search_units(
        self,
        work_spec: Name,
        part: bytes,
        *,
        statuses: Collection[int] | None = None,
        start: Name | None = None,
        look_at: int = 1000,
    ) -> api.Search:
        self._catch_up()
        spec = self._spec(work_spec)
        lowest = b"" if start is None else identity(start)
        keys = spec.units.page(statuses, lowest, look_at + 1, False)
        following = None
        if len(keys) > look_at:
            key = keys.pop()
            stored = spec.units.getter()(key)
            assert stored is not None
            following = name_of(expand(stored)[0], key)
        return api.Search(self._rows_of(spec, (key for key in keys if part in key)), following)

    def place_in_queue(self, work_spec: Name, name: Name) -> int | None:
        self._catch_up()
        spec = self._spec(work_spec)
        record = self._unit(spec, name)
        if record[STATUS] != AVAILABLE:
            return None
        return spec.units.queues.place(identity(name), record[PRIORITY])
