"""Workers: life, family, and what they hold and did."""

from __future__ import annotations

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.handles import Queue, Worker, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE, EXPIRED, FINISHED, PENDING
from goordinate.tests.conformance.clock import UNIX_START, Clock
from goordinate.tests.conformance.steps import LEASE, add, define, take


def beat(
    namespace: Queue, name: Name, parent: Name | None = None, lifetime: float = 1000
) -> Worker:
    """A heartbeat."""
    return namespace.heartbeat(name, mode=b"RUN", data=None, lifetime=lifetime, parent=parent)


def named(workers: list[Worker]) -> list[Name]:
    """The names of workers, sorted."""
    return sorted((worker.name for worker in workers), key=repr)


def parent_of(worker: Worker) -> Name | None:
    """The name of the parent of a worker."""
    parent = worker.parent
    return None if parent is None else parent.name


class TestLife:
    """A worker is alive from its heartbeat to the end of its time."""

    def test_a_new_one(self, namespace: Queue) -> None:
        worker = namespace.worker(b"worker")
        assert (worker.name, worker.active, worker.mode, worker.data) == (
            *(b"worker", True, "", None),
        )
        assert (worker.last_update, worker.expiration) == (UNIX_START, UNIX_START + 15 * 60)
        assert (worker.parent, worker.children()) == (None, [])
        assert (worker.active_attempts(), worker.all_attempts()) == ([], [])
        assert namespace.workers() == [namespace.worker("worker")]

    def test_update(self, namespace: Queue, clock: Clock) -> None:
        worker = namespace.worker(b"worker")
        clock.advance(10)
        data = dumps({b"list": [], "tuple": ()})
        worker.update(mode=(b"RUN", 5), data=data, lifetime=60)
        again = namespace.worker("worker")
        assert (again.mode, again.data) == ((b"RUN", 5), data)
        assert (again.last_update, again.expiration) == (clock.now, clock.now + 60)

    def test_heartbeat_makes_one(self, namespace: Queue) -> None:
        worker = namespace.heartbeat(
            "worker", mode="IDLE", data=b"\xa0", lifetime=60, parent=b"parent"
        )
        assert (worker.name, worker.mode, worker.data) == ("worker", "IDLE", b"\xa0")
        assert (worker.active, worker.expiration) == (True, UNIX_START + 60)
        assert parent_of(worker) == b"parent"
        found = namespace.find_worker(b"worker")
        assert found is not None
        assert found.name == "worker"

    def test_the_end_of_its_time(self, namespace: Queue, clock: Clock) -> None:
        worker = beat(namespace, b"worker", lifetime=10)
        beat(namespace, b"other", lifetime=11)
        clock.advance(9.5)
        assert named(namespace.workers()) == [b"other", b"worker"]
        clock.advance(0.5)
        assert not worker.active
        assert named(namespace.workers()) == [b"other"]
        assert namespace.find_worker(b"worker") is None
        beat(namespace, b"worker")
        assert worker.active

    def test_a_life_of_no_seconds(self, namespace: Queue) -> None:
        beat(namespace, b"worker", lifetime=0)
        assert namespace.find_worker(b"worker") is None
        assert namespace.workers() == []

    def test_a_heartbeat_moves_the_end(self, namespace: Queue, clock: Clock) -> None:
        for _ in range(10):
            beat(namespace, b"worker", lifetime=10)
            clock.advance(9)
            assert named(namespace.workers()) == [b"worker"]
        clock.advance(1)
        assert namespace.workers() == []

    def test_deactivate(self, namespace: Queue, clock: Clock) -> None:
        worker = beat(namespace, b"worker", lifetime=10)
        worker.deactivate()
        worker.deactivate()
        assert not worker.active
        assert namespace.workers() == []
        worker.update(mode=b"RUN", data=None, lifetime=20)
        clock.advance(10)  # the end of its first life
        assert worker.active
        clock.advance(10)
        worker.deactivate()
        assert not worker.active

    def test_unknown(self, namespace: Queue, spec: WorkSpec) -> None:
        assert namespace.find_worker(b"none") is None
        add(spec, b"unit")
        take(namespace, b"stranger")
        assert namespace.find_worker(b"stranger") is None
        assert namespace.workers() == []

    def test_workers_by_name(self, namespace: Queue) -> None:
        for name in (b"c", "b", b"a", "é", b"B"):
            beat(namespace, name)
        assert [worker.name for worker in namespace.workers()] == [b"B", b"a", "b", b"c", "é"]


class TestFamily:
    """Workers may name a parent."""

    def test_children_are_the_live_ones(self, namespace: Queue, clock: Clock) -> None:
        for name, lifetime in ((b"a", 10), (b"b", 20), (b"c", 30)):
            beat(namespace, name, b"parent", lifetime)
        beat(namespace, b"other")
        assert named(namespace.children("parent")) == [b"a", b"b", b"c"]
        clock.advance(10)
        assert named(namespace.children(b"parent")) == [b"b", b"c"]
        found = namespace.find_worker(b"b")
        assert found is not None
        found.deactivate()
        assert named(namespace.worker(b"parent").children()) == [b"c"]
        clock.advance(20)
        assert namespace.children(b"parent") == []
        assert namespace.children(b"none") == []

    def test_parents_count(self, namespace: Queue, clock: Clock) -> None:
        assert namespace.parents_count() == 0
        beat(namespace, b"a", b"one", 10)
        beat(namespace, b"b", "one", 20)
        beat(namespace, b"c", b"other", 20)
        assert namespace.parents_count() == 2
        clock.advance(10)
        assert namespace.parents_count() == 2
        clock.advance(10)
        assert namespace.parents_count() == 0

    def test_another_parent_and_none(self, namespace: Queue) -> None:
        child = beat(namespace, b"child", b"one")
        child.set_parent("other")
        assert parent_of(child) == "other"
        assert namespace.children(b"one") == []
        assert named(namespace.children(b"other")) == [b"child"]
        child.set_parent(None)
        assert parent_of(child) is None
        assert namespace.children(b"other") == []
        beat(namespace, b"child", b"one")
        beat(namespace, b"child")
        assert parent_of(child) is None
        assert namespace.parents_count() == 0

    def test_a_child_that_comes_back_is_a_child_again(self, namespace: Queue, clock: Clock) -> None:
        child = beat(namespace, b"child", b"parent", 10)
        clock.advance(10)
        assert namespace.parents_count() == 0
        child.update(mode=b"RUN", data=None, lifetime=10)
        assert named(namespace.children(b"parent")) == [b"child"]

    def test_a_parent_set_on_one_that_is_gone_shows_when_it_is_back(self, namespace: Queue) -> None:
        child = beat(namespace, b"child")
        child.deactivate()
        child.set_parent(b"parent")
        assert namespace.children(b"parent") == []
        child.update(mode=b"RUN", data=None, lifetime=10)
        assert named(namespace.children(b"parent")) == [b"child"]

    def test_to_be_named_as_parent_is_no_sign_of_life(self, namespace: Queue) -> None:
        child = beat(namespace, b"child", b"parent")
        assert child.parent is not None
        assert child.parent.children() == [child]
        assert not child.parent.active
        assert named(namespace.workers()) == [b"child"]
        assert namespace.find_worker(b"parent") is None


class TestAttempts:
    """active_attempts are those by which it holds units, all_attempts the past ones too."""

    def test_along_a_life(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        worker = beat(namespace, b"worker")
        add(spec, b"a", b"b", b"c")
        first, second = take(namespace), take(namespace, lease=10)
        assert worker.active_attempts() == worker.all_attempts() == [first, second]
        clock.advance(1)
        first.finish()
        assert worker.active_attempts() == [second]
        clock.advance(9)
        assert second.status == EXPIRED
        assert worker.active_attempts() == []
        third = take(namespace)
        assert third.work_unit.name == b"b"
        assert worker.active_attempts() == [third]
        assert worker.all_attempts() == [first, second, third]
        assert [attempt.status for attempt in worker.all_attempts()] == [
            *(FINISHED, EXPIRED, PENDING),
        ]

    def test_what_happens_to_an_attempt_makes_it_no_second_one(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        add(spec, b"unit")
        attempt = take(namespace)
        worker = namespace.worker(b"worker")
        for _ in range(5):
            clock.advance(1)
            attempt.renew(LEASE, dumps(1))
            spec.set_priorities([b"unit"], 1, add=True)
            spec.update_work_unit(b"unit", status=PENDING, lease=LEASE, worker=b"worker")
            add(spec, b"unit")
            assert worker.active_attempts() == worker.all_attempts() == [attempt]

    def test_taken_over(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        add(spec, b"unit")
        slow = take(namespace, b"slow", lease=10)
        clock.advance(10)
        quick = take(namespace, b"quick")
        assert namespace.worker(b"slow").active_attempts() == []
        assert namespace.worker(b"slow").all_attempts() == [slow]
        assert namespace.worker(b"quick").active_attempts() == [quick]

    def test_of_many_specs(self, namespace: Queue) -> None:
        for number in range(3):
            add(define(namespace, b"%d" % number), b"unit")
        attempts = [take(namespace, work_specs=[b"%d" % number]) for number in range(3)]
        assert namespace.worker(b"worker").active_attempts() == attempts

    def test_both_forms_of_its_name_are_one_worker(self, namespace: Queue, spec: WorkSpec) -> None:
        beat(namespace, "worker")
        add(spec, b"a", b"b")
        attempts = [take(namespace, b"worker"), take(namespace, "worker")]
        assert namespace.worker(b"worker").active_attempts() == attempts
        assert [attempt.worker_name for attempt in attempts] == ["worker", "worker"]
        assert [attempt.work_unit.worker_name for attempt in attempts] == ["worker", "worker"]

    def test_leases_outlive_the_worker(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        worker = beat(namespace, b"worker", lifetime=10)
        add(spec, b"a", b"b")
        attempts = [take(namespace, lease=100), take(namespace, lease=100)]
        clock.advance(10)
        assert not worker.active
        assert worker.active_attempts() == attempts
        beat(namespace, b"worker", lifetime=10)
        assert worker.active_attempts() == attempts
        attempts[0].finish()
        clock.advance(90)
        assert worker.active_attempts() == []
        assert spec.count_work_units() == {FINISHED: 1, AVAILABLE: 1}

    @pytest.mark.parametrize("heartbeats", [False, True])
    def test_however_many_workers_there_are(
        self, namespace: Queue, spec: WorkSpec, heartbeats: bool
    ) -> None:
        names = [b"%04d" % number for number in range(3000)]
        add(spec, *names)
        for name in names:
            if heartbeats:
                beat(namespace, name).deactivate()
            take(namespace, name)
        for name in names[::100]:
            (attempt,) = namespace.worker(name).active_attempts()
            assert (attempt.worker_name, attempt.work_unit.name) == (name, name)
            attempt.finish()
            assert namespace.worker(name).active_attempts() == []
