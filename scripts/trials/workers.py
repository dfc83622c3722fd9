"""The good workers: each gets a unit, finishes it, and asks for the next, until all are finished.

    python -m scripts.trials.workers PORT WORKERS UNITS SECONDS

A greenlet and a connection for each, made before the start and used to the end. Every answer is
compared with what it has to be. Its caller is `Program`.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Sequence

import gevent

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.requests import encode_request
from scripts.processes.connection import Connection, NoAnswer
from scripts.processes.program import ready, report, run
from scripts.trials.chain import DATA, FINISHED, FIRST, KEY_LENGTH, SECOND, key, number_of

LEASE = 300
NOTHING_TO_DO = 0.1
FAULTS_TOLD = 10

#: Stand for the keys in the messages that are made once.
_KEY, _NEXT_KEY = b"?" * KEY_LENGTH, b"!" * KEY_LENGTH


class WrongAnswer(Exception):
    """A call was not answered as it has to be."""


class Drain:
    """What the workers share: how often each unit was finished, and what each call took."""

    def __init__(self, units: int) -> None:
        self.left = 2 * units
        self.times_finished = {FIRST: bytearray(units), SECOND: bytearray(units)}
        self.latencies = array("d")
        self.faults: list[str] = []

    def finished(self, spec: bytes, unit_key: bytes) -> None:
        """A worker has finished a unit, and was told so."""
        self.times_finished[spec][number_of(unit_key)] += 1
        self.left -= 1


class Worker:
    """One worker. The id of all its calls is its own, so that no other's answer can be taken."""

    def __init__(self, drain: Drain, port: int, number: int) -> None:
        self._drain = drain
        self._connection = Connection(port)
        self._number = number

        options = {b"lease_time": LEASE, b"available_gb": 7, b"max_jobs": 1}
        self._ask = self._request("get_work", b"worker-%d" % number, options)
        self._nothing = self._answer((None, None, None))
        self._done = self._answer(True)
        output = {b"output": {_NEXT_KEY: DATA}}
        finish = {
            FIRST: self._request(
                "update_work_unit", FIRST, _KEY, {b"status": FINISHED, b"data": output}
            ),
            SECOND: self._request("update_work_unit", SECOND, _KEY, {b"status": FINISHED}),
        }
        # What comes before and after the key in the answer that hands a unit out, and the call
        # that finishes it.
        self._units = [
            (spec, *self._answer((spec, _KEY, DATA)).split(_KEY), finish[spec]) for spec in finish
        ]

    def work(self) -> None:
        """Work until there is nothing left, or until an answer is wrong."""
        drain, ask, nothing = self._drain, self._ask, self._nothing
        try:
            while drain.left > 0:
                answer = self._call(ask)
                if answer == nothing:
                    gevent.sleep(NOTHING_TO_DO)
                else:
                    self._take(answer)
        except (OSError, NoAnswer, WrongAnswer) as fault:
            drain.faults.append(f"worker {self._number}: {fault!r}"[:300])

    def _take(self, answer: bytes) -> None:
        """Finish the unit that an answer hands out."""
        for spec, before, after, finish in self._units:
            if answer.startswith(before) and answer.endswith(after):
                self._finish(spec, answer[len(before) : -len(after)], finish)
                return
        raise WrongAnswer(answer)

    def _finish(self, spec: bytes, unit_key: bytes, call: bytes) -> None:
        """Finish a unit; `call` does that with its key put in."""
        call = call.replace(_KEY, unit_key)
        if spec == FIRST:
            call = call.replace(_NEXT_KEY, key(SECOND, number_of(unit_key)))
        answer = self._call(call)
        if answer != self._done:
            raise WrongAnswer(answer)
        self._drain.finished(spec, unit_key)

    def _call(self, request: bytes) -> bytes:
        """Send a request; the message that answers it."""
        start = time.perf_counter()
        messages = self._connection.exchange(request)
        self._drain.latencies.append(time.perf_counter() - start)
        if len(messages) > 1 or self._connection.reader.pending:
            raise WrongAnswer(messages)
        return messages[0]

    def _request(self, method: str, *params: object) -> bytes:
        return frame(encode_request(self._number, method, params))

    def _answer(self, value: object) -> bytes:
        return dumps({b"id": self._number, b"result": (value, None)})


def milliseconds(latencies: Sequence[float], share: float) -> float:
    """The latency that this share of sorted latencies does not exceed."""
    return latencies[min(int(len(latencies) * share), len(latencies) - 1)] * 1e3


def main() -> None:
    """Drain the queue; report how."""
    port, workers, units, seconds = map(int, sys.argv[1:])
    drain = Drain(units)
    # Ids all of one length, like the keys: then all answers of a kind are.
    crowd = [Worker(drain, port, 1000 + number) for number in range(workers)]
    ready()
    start, before = time.monotonic(), time.process_time()
    run([gevent.spawn(worker.work) for worker in crowd], seconds)
    latencies = sorted(drain.latencies)
    report(
        {
            "calls": len(latencies),
            "seconds": time.monotonic() - start,
            "cpu_seconds": time.process_time() - before,
            "p50_ms": milliseconds(latencies, 0.5),
            "p99_ms": milliseconds(latencies, 0.99),
            "max_ms": latencies[-1] * 1e3,
            "finished_once": sum(times.count(1) for times in drain.times_finished.values()),
            "faults": drain.faults[:FAULTS_TOLD],
        }
    )


if __name__ == "__main__":
    main()
