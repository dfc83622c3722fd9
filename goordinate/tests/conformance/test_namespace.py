"""Namespaces: worlds of their own, and what is left of one that is destroyed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from goordinate.coordinate.api import Backend, Summary
from goordinate.coordinate.errors import Gone, NoSuchAttempt, NoSuchWorkSpec
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE, DELAYED, FINISHED, PENDING
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import (
    DATA,
    add,
    add_one,
    define,
    names,
    open_namespace,
    request,
    take,
)


def test_a_namespace_is_made_when_asked_for(backend: Backend) -> None:
    assert backend.namespaces() == []
    for name in ("b", "", "a"):
        assert open_namespace(backend, name).name == name
    define(open_namespace(backend, "a"), b"spec")
    assert names(open_namespace(backend, "a").list_work_specs()[0]) == [b"spec"]
    assert [namespace.name for namespace in backend.namespaces()] == ["", "a", "b"]


def test_namespaces_share_nothing(backend: Backend) -> None:
    one, other = open_namespace(backend, "one"), open_namespace(backend, "other")
    add(define(one, b"spec", weight=3), b"unit")
    define(other, b"spec")
    one.worker(b"worker")
    assert other.work_spec(b"spec").list_work_units() == []
    assert other.work_spec(b"spec").control.weight == 20
    assert request(other) == []
    assert other.workers() == []
    assert request(one) == [b"unit"]


def test_summaries_count_without_zeros(backend: Backend) -> None:
    assert backend.summarize() == []
    one, other = open_namespace(backend, "one"), open_namespace(backend, "other")
    define(one, b"empty")
    add(define(one, "text"), b"a", b"b", b"c")
    add(define(other, b"later"), b"a", delay=10)
    add(define(other, b"spec"), b"a")
    take(one)
    take(one).finish()
    assert set(one.summarize()) == {
        Summary("one", "text", AVAILABLE, 1),
        Summary("one", "text", PENDING, 1),
        Summary("one", "text", FINISHED, 1),
    }
    assert set(other.summarize()) == {
        Summary("other", b"later", DELAYED, 1),
        Summary("other", b"spec", AVAILABLE, 1),
    }
    assert sorted(backend.summarize(), key=repr) == sorted(
        one.summarize() + other.summarize(), key=repr
    )


class TestListing:
    """list_work_specs: pages by name."""

    @pytest.mark.parametrize(
        ("start", "limit", "expected", "following"),
        [
            (None, None, [b"B", b"a", "b", b"c"], None),
            (None, 2, [b"B", b"a"], "b"),
            ("b", 2, ["b", b"c"], None),
            (b"b", 1, ["b"], b"c"),
            (b"aa", None, ["b", b"c"], None),
            (b"d", 5, [], None),
            (None, 4, [b"B", b"a", "b", b"c"], None),
            (None, 0, [], None),
            (b"a", -1, [], None),
            (b"", None, [b"B", b"a", "b", b"c"], None),
        ],
    )
    def test_pages(
        self,
        namespace: Queue,
        start: Name | None,
        limit: int | None,
        expected: list[Name],
        following: Name | None,
    ) -> None:
        for name in (b"c", "b", b"B", b"a"):
            define(namespace, name)
        specs, after = namespace.list_work_specs(start, limit)
        assert (names(specs), after) == (expected, following)

    def test_pages_together_are_the_whole(self, namespace: Queue) -> None:
        expected = [b"spec %02d" % number for number in range(25)]
        for name in reversed(expected):
            define(namespace, name)
        found: list[Name] = []
        specs, start = namespace.list_work_specs(limit=7)
        while start is not None:
            found += names(specs)
            specs, start = namespace.list_work_specs(start, 7)
        assert found + names(specs) == expected


class TestDeletingSpecs:
    """destroy_work_spec and clear take units and attempts with them."""

    def test_a_destroyed_spec_is_gone(self, namespace: Queue) -> None:
        for name in (b"kept", b"spec"):
            add(define(namespace, name), b"a", b"b")
        attempt = take(namespace, work_specs=[b"spec"])
        worker = namespace.worker(b"worker")
        spec, unit = attempt.work_unit.work_spec, attempt.work_unit
        namespace.destroy_work_spec("spec")
        assert names(namespace.list_work_specs()[0]) == [b"kept"]
        assert worker.active_attempts() == []
        assert worker.all_attempts() == []
        for use in (
            spec.count_work_units,
            spec.list_work_units,
            lambda: spec.data,
            lambda: spec.control,
            lambda: spec.set_control({"weight": 1}),
            lambda: add(spec, b"c"),
            lambda: unit.status,
            lambda: attempt.status,
            attempt.finish,
            lambda: namespace.work_spec(b"spec"),
            lambda: namespace.destroy_work_spec(b"spec"),
        ):
            with pytest.raises(NoSuchWorkSpec, match="'spec'"):
                use()
        assert request(namespace, 9) == [b"a", b"b"]
        assert request(namespace, 9, work_specs=[b"spec"]) == []

    def test_a_spec_of_the_same_name_begins_anew(self, namespace: Queue) -> None:
        old = define(namespace, b"spec", weight=3)
        add(old, b"unit")
        attempt = take(namespace)
        namespace.destroy_work_spec(b"spec")
        new = define(namespace, "spec")
        add(new, b"unit")
        assert new.name == "spec"
        assert new.control.weight == 20
        assert new.count_work_units() == {AVAILABLE: 1}
        with pytest.raises(NoSuchAttempt):
            attempt.finish()
        assert new.work_unit(b"unit").status == AVAILABLE

    def test_leases_of_a_destroyed_spec_end_quietly(self, namespace: Queue, clock: Clock) -> None:
        spec = define(namespace, b"spec", continuous=True, interval=5)
        add(spec, b"a", b"b", delay=50)
        take(namespace)
        namespace.destroy_work_spec(b"spec")
        clock.advance(1000)
        assert namespace.summarize() == []
        assert request(namespace) == []

    def test_clear(self, namespace: Queue) -> None:
        assert namespace.clear() == 0
        for name in (b"a", b"b", b"c"):
            add(define(namespace, name), b"unit")
        take(namespace)
        assert namespace.clear() == 3
        assert namespace.list_work_specs() == ([], None)
        assert request(namespace) == []
        add(define(namespace, b"a"), b"unit")
        assert request(namespace) == [b"unit"]

    @pytest.mark.parametrize("name", [b"none", "none", b""])
    def test_unknown_specs(self, namespace: Queue, name: Name) -> None:
        for use in (namespace.work_spec, namespace.destroy_work_spec):
            with pytest.raises(NoSuchWorkSpec) as caught:
                use(name)
            assert caught.value.name == name


def uses(namespace: Queue, spec: WorkSpec) -> dict[str, Callable[[], object]]:
    """Every use of what is in a namespace, but for those that make something of it."""
    unit = add_one(spec, b"unit")
    attempt = take(namespace)
    worker = namespace.heartbeat(b"worker", mode=b"", data=DATA, lifetime=60, parent=b"parent")
    return {
        "set_work_spec": lambda: define(namespace, b"other"),
        "work_spec": lambda: namespace.work_spec(b"spec"),
        "list_work_specs": namespace.list_work_specs,
        "destroy_work_spec": lambda: namespace.destroy_work_spec(b"spec"),
        "clear": namespace.clear,
        "summarize": namespace.summarize,
        "destroy": namespace.destroy,
        "worker": lambda: namespace.worker(b"worker"),
        "find_worker": lambda: namespace.find_worker(b"worker"),
        "workers": namespace.workers,
        "heartbeat": lambda: namespace.heartbeat(
            b"worker", mode=None, data=None, lifetime=1, parent=None
        ),
        "children": lambda: namespace.children(b"parent"),
        "parents_count": namespace.parents_count,
        "request_attempts": lambda: namespace.request_attempts(b"worker"),
        "spec.data": lambda: spec.data,
        "spec.set_data": lambda: spec.set_data(spec.data),
        "spec.control": lambda: spec.control,
        "spec.set_control": lambda: spec.set_control({"weight": 1}),
        "spec.add_work_units": lambda: add(spec, b"another"),
        "spec.work_unit": lambda: spec.work_unit(b"unit"),
        "spec.get_work_units": lambda: spec.get_work_units([b"unit"]),
        "spec.list_work_units": spec.list_work_units,
        "spec.count_work_units": spec.count_work_units,
        "spec.set_priorities": lambda: spec.set_priorities([b"unit"], 1),
        "spec.delete_work_units": spec.delete_work_units,
        "spec.update_work_unit": lambda: spec.update_work_unit(b"unit", status=FINISHED),
        "spec.archive": lambda: spec.archive(0, None),
        "unit.name": lambda: unit.name,
        "unit.entry": lambda: unit.entry,
        "unit.data": lambda: unit.data,
        "unit.status": lambda: unit.status,
        "unit.priority": lambda: unit.priority,
        "unit.not_before": lambda: unit.not_before,
        "unit.expiration": lambda: unit.expiration,
        "unit.worker_name": lambda: unit.worker_name,
        "unit.active_attempt": lambda: unit.active_attempt,
        "unit.attempts": lambda: unit.attempts,
        "unit.clear_active_attempt": unit.clear_active_attempt,
        "attempt.status": lambda: attempt.status,
        "attempt.data": lambda: attempt.data,
        "attempt.end_time": lambda: attempt.end_time,
        "attempt.expiration_time": lambda: attempt.expiration_time,
        "attempt.renew": lambda: attempt.renew(10),
        "attempt.expire": attempt.expire,
        "attempt.finish": attempt.finish,
        "attempt.fail": attempt.fail,
        "attempt.retry": attempt.retry,
        "worker.active": lambda: worker.active,
        "worker.parent": lambda: worker.parent,
        "worker.set_parent": lambda: worker.set_parent(None),
        "worker.children": worker.children,
        "worker.update": lambda: worker.update(mode=None, data=None, lifetime=1),
        "worker.deactivate": worker.deactivate,
        "worker.active_attempts": worker.active_attempts,
        "worker.all_attempts": worker.all_attempts,
    }


class TestDestroy:
    """destroy removes a namespace with all that is in it."""

    def test_it_is_removed_and_begins_anew(self, backend: Backend) -> None:
        doomed, kept = open_namespace(backend, "doomed"), open_namespace(backend, "kept")
        for namespace in (doomed, kept):
            add(define(namespace, b"spec"), b"unit")
            namespace.worker(b"worker")
        doomed.destroy()
        assert [namespace.name for namespace in backend.namespaces()] == ["kept"]
        assert {summary.namespace for summary in backend.summarize()} == {"kept"}
        anew = open_namespace(backend, "doomed")
        assert anew.list_work_specs() == ([], None)
        assert anew.workers() == []
        assert request(kept) == [b"unit"]

    def test_every_use_of_it_raises_gone(self, namespace: Queue, spec: WorkSpec) -> None:
        calls = uses(namespace, spec)
        namespace.destroy()
        silent = []
        for name, use in calls.items():
            try:
                use()
            except Gone:
                continue
            silent.append(name)
        assert silent == []
