"""The good workers: each gets a unit, finishes it, and asks for the next, until all are finished.

    python -m scripts.trials.workers PORT WORKERS UNITS SECONDS

A greenlet and a connection for each, made before the start and used to the end. Every answer is
compared with what it has to be, and the id of all calls of a worker is its own, so that no other's
answer can be taken. Its caller is `Program`.
"""

from __future__ import annotations

import sys
import time
from array import array
from typing import Any

import gevent

from goordinate.cborrpc import loads
from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.requests import encode_request
from scripts.processes.connection import Connection
from scripts.processes.program import latencies, ready, report, run
from scripts.trials.chain import DATA, FINISHED, FIRST, SECOND, WrongAnswer, key, number_of

OPTIONS = {b"lease_time": 300, b"available_gb": 7, b"max_jobs": 1}
NOTHING = (None, None, None), None
NOTHING_TO_DO = 0.1
FAULTS_TOLD = 10


class Drain:
    """What the workers share: how often each unit was finished, and what each call took."""

    def __init__(self, units: int) -> None:
        self.left = 2 * units
        self.times_finished = {FIRST: bytearray(units), SECOND: bytearray(units)}
        self.seconds = array("d")
        self.faults: list[str] = []

    def work(self, connection: Connection, number: int) -> None:
        """Be a worker until there is nothing left, or until an answer is wrong."""
        worker = b"worker-%d" % number
        try:
            while self.left > 0:
                answer = self._call(connection, number, "get_work", worker, OPTIONS)
                if answer == NOTHING:
                    gevent.sleep(NOTHING_TO_DO)
                    continue
                (spec, unit_key, data), message = answer
                unit = number_of(unit_key)
                if (unit_key, data, message) != (key(spec, unit), DATA, None):
                    raise WrongAnswer(answer)
                options: dict[bytes, object] = {b"status": FINISHED}
                if spec == FIRST:
                    options[b"data"] = {b"output": {key(SECOND, unit): DATA}}
                params = spec, unit_key, options
                answer = self._call(connection, number, "update_work_unit", *params)
                if answer != (True, None):
                    raise WrongAnswer(answer)
                self.times_finished[spec][unit] += 1
                self.left -= 1
        except Exception as fault:
            self.faults.append(f"{worker.decode()}: {fault!r}"[:300])

    def _call(self, connection: Connection, number: int, method: str, *params: object) -> Any:
        """The result of a call."""
        request = frame(encode_request(number, method, params))
        start = time.perf_counter()
        messages = connection.exchange(request)
        self.seconds.append(time.perf_counter() - start)
        answers = [loads(message) for message in messages]
        result = answers[0].get(b"result")
        if answers != [{b"id": number, b"result": result}] or connection.reader.pending:
            raise WrongAnswer(messages)
        return result


def main() -> None:
    """Drain the queue; report how."""
    port, workers, units, seconds = map(int, sys.argv[1:])
    drain = Drain(units)
    connections = [Connection(port) for _ in range(workers)]
    ready()
    start, before = time.monotonic(), time.process_time()
    working = enumerate(connections, 1)
    run([gevent.spawn(drain.work, connection, number) for number, connection in working], seconds)
    report(
        {
            "seconds": time.monotonic() - start,
            "cpu_seconds": time.process_time() - before,
            **latencies(drain.seconds),
            "finished_once": sum(times.count(1) for times in drain.times_finished.values()),
            "faults": drain.faults[:FAULTS_TOLD],
        }
    )


if __name__ == "__main__":
    main()
