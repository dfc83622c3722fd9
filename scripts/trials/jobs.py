"""The good clients of the soak: small jobs of all kinds of calls, each from start to end.

    python -m scripts.trials.jobs PORT JOBS SECONDS

A job makes two work specs, adds units, works them off, looks at them in every way there is, and
deletes them; then it begins again on a new connection. The specs are its own, so that it knows
every answer, and it compares every one. Its caller is `Program`.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402

from goordinate.cborrpc import Client  # noqa: E402
from scripts.processes.program import ready, report, run  # noqa: E402
from scripts.trials.chain import DATA, FINISHED, WrongAnswer  # noqa: E402

AVAILABLE, PENDING, FAILED = 1, 3, 5
UNITS = 30
TAKEN = 10
DONE = (True, None)
NOTHING = ((None, None, None), None)
#: Seconds between two jobs, and for leases that run out to be noticed.
PAUSE = 0.5
LATE = 10.0


class Counts:
    """What all jobs have done."""

    def __init__(self) -> None:
        self.calls = 0
        self.jobs = 0
        self.faults: list[str] = []


class Job:
    """One job; `name` is that of its first work spec, and part of all other names it uses."""

    def __init__(self, client: Client, counts: Counts, name: bytes, visitor: bytes) -> None:
        self._client = client
        self._counts = counts
        self._first, self._second = name, name + b"-then"
        self._worker, self._parent = b"worker-" + name, b"parent-" + name
        self._visitor = visitor
        self._keys = [b"%b-%02d" % (name, number) for number in range(UNITS)]

    def run(self) -> None:
        """All of it."""
        self._begin()
        self._look()
        self._work()
        self._let_leases_run_out()
        self._visit()
        self._drain()
        self._end()

    def _begin(self) -> None:
        expect = self._expect
        expect(DONE, "set_work_spec", {b"name": self._first, b"then": self._second})
        expect(DONE, "set_work_spec", {b"name": self._second})
        expect(DONE, "worker_heartbeat", self._worker, "RUN", 60, {b"host": b"h"}, self._parent)
        expect(DONE, "add_work_units", self._first, [(key, DATA) for key in self._keys])
        expect(({AVAILABLE: UNITS}, None), "count_work_units", self._first)

    def _look(self) -> None:
        """Pages, and what is asked of the daemon itself."""
        expect, keys = self._expect, self._keys
        units = [(key, DATA) for key in keys]
        expect((units, None), "get_work_units", self._first, {b"limit": 1000})
        page = {b"start": keys[TAKEN], b"limit": TAKEN, b"state": AVAILABLE}
        expect((units[TAKEN : 2 * TAKEN], None), "get_work_units", self._first, page)
        expect(({b"host": b"h"}, None), "get_worker_info", self._worker)
        path = [[b"soak", self._first]]
        expect(DONE, "lock", self._worker, 60, path)
        expect([self._worker], "readlock", path)
        expect(DONE, "unlock", self._worker, path)
        for method in ("get_config", "now", "list_worker_modes", "mode_counts", "worker_stats"):
            self._call(method)

    def _work(self) -> None:
        """Priorities, and all that a worker may do with a unit."""
        expect, first, keys = self._expect, self._first, self._keys
        options = {b"work_unit_keys": keys[-1:], b"priority": 5}
        expect(DONE, "prioritize_work_units", first, options)
        expect(((first, keys[-1], DATA), None), *self._get_work(self._worker))
        self._finish(keys[-1:])
        taken = keys[:TAKEN]
        expect(([(first, key, DATA) for key in taken], None), *self._get_work(self._worker, TAKEN))
        held = {b"status": PENDING, b"worker_id": self._worker}
        statuses, _ = self._call("get_work_unit_status", first, taken)
        self._compare([held] * TAKEN, [{key: unit[key] for key in held} for unit in statuses])
        children, _ = self._call("get_child_work_units", self._parent)
        self._compare(taken, [unit[b"work_unit_key"] for unit in children[self._worker]])
        expect(DONE, "update_work_unit", first, taken[0], {b"lease_time": 600})
        failed = {b"status": FAILED, b"data": {b"traceback": b"it failed"}}
        expect(DONE, "update_work_unit", first, taken[0], failed)
        expect(DONE, "update_work_unit", first, taken[1], {b"status": AVAILABLE})
        self._finish(taken[2:])

    def _let_leases_run_out(self) -> None:
        """Take units, and do nothing with them; others will have them."""
        units, _ = self._call(*self._get_work(self._worker, 2, lease_time=1))
        self._compare(2, len(units))

    def _visit(self) -> None:
        """A worker that was never here before takes one unit, and goes."""
        expect, visitor = self._expect, self._visitor
        expect(DONE, "worker_heartbeat", visitor, "RUN", 60, {b"host": b"h"}, None)
        (_, key, _), _ = self._call(*self._get_work(visitor))
        self._finish([key])
        expect(DONE, "worker_unregister", visitor)

    def _drain(self) -> None:
        """Work off what is left, those whose lease runs out among it, and then the second spec."""
        with gevent.Timeout(LATE, WrongAnswer("leases do not run out")):
            while self._counts_of(self._first) != {FINISHED: UNITS - 1, FAILED: 1}:
                answer = self._call(*self._get_work(self._worker))
                if answer == NOTHING:
                    gevent.sleep(0.1)
                else:
                    self._finish([answer[0][1]])
        self._expect(({AVAILABLE: UNITS - 1}, None), "count_work_units", self._second)
        units, _ = self._call(*self._get_work(self._worker, UNITS, spec=self._second))
        # The unit of the one whose priority was raised has inherited that.
        in_order = [self._keys[-1], *self._keys[1:-1]]
        self._compare(in_order, [key for _, key, _ in units])
        done = {b"status": FINISHED}
        calls = [("update_work_unit", (self._second, key, done)) for _, key, _ in units]
        self._counts.calls += len(calls)
        self._compare([DONE] * len(calls), self._client.call_many(calls))
        self._expect(({FINISHED: UNITS - 1}, None), "count_work_units", self._second)

    def _end(self) -> None:
        """Delete all that the job has made, bit by bit."""
        expect, first = self._expect, self._first
        expect((UNITS - 1, None), "del_work_units", first, {b"state": FINISHED})
        expect((1, None), "del_work_units", first, {b"work_unit_keys": self._keys})
        expect((UNITS - 1, None), "del_work_units", self._second, {b"all": True})
        expect(DONE, "worker_unregister", self._worker)
        expect(DONE, "del_work_spec", first)
        expect(DONE, "del_work_spec", self._second)

    def _counts_of(self, spec: bytes) -> Any:
        return self._call("count_work_units", spec)[0]

    def _finish(self, keys: list[bytes]) -> None:
        """Finish units of the first spec; each adds the unit of that name to the second."""
        for key in keys:
            options = {b"status": FINISHED, b"data": {b"output": {key: DATA}}}
            self._expect(DONE, "update_work_unit", self._first, key, options)

    def _get_work(
        self, worker: bytes, units: int = 1, *, spec: bytes | None = None, lease_time: int = 300
    ) -> tuple[str, bytes, dict[bytes, object]]:
        """The call for units, of the first spec unless said otherwise."""
        options: dict[bytes, object] = {
            b"work_spec_names": [spec or self._first],
            b"max_jobs": units,
            b"lease_time": lease_time,
        }
        return "get_work", worker, options

    def _expect(self, answer: object, method: str, *params: object) -> None:
        """Make a call that has to be answered so."""
        self._compare(answer, self._call(method, *params))

    def _call(self, method: str, *params: object) -> Any:
        self._counts.calls += 1
        return self._client.call(method, *params)

    @staticmethod
    def _compare(expected: object, answer: object) -> None:
        if answer != expected:
            raise WrongAnswer(f"{answer!r:.200}, not {expected!r:.200}")


def work(port: int, counts: Counts, number: int) -> None:
    """Jobs, one after the other, until one is not answered well."""
    name = b"job-%d" % number
    while True:
        # It calls again when a connection is refused; a call that is answered is not made twice.
        with Client(("127.0.0.1", port)) as client:
            try:
                Job(client, counts, name, b"visitor-%d-%d" % (number, counts.jobs)).run()
            except Exception as fault:
                counts.faults.append(f"{name.decode()}: {fault!r}")
                return
        counts.jobs += 1
        gevent.sleep(PAUSE)


def main() -> None:
    """Do jobs until told to end; report how many, and what was wrong."""
    port, jobs, seconds = map(int, sys.argv[1:])
    counts = Counts()
    ready()
    run([gevent.spawn(work, port, counts, number) for number in range(jobs)], seconds)
    report({"calls": counts.calls, "jobs": counts.jobs, "faults": counts.faults})


if __name__ == "__main__":
    main()
