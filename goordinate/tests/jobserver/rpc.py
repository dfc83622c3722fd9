"""How the tests call the job server: bytes in, bytes out, on a clock that they set.

Literals of the tests are what a Python 2 client sends: byte strings, tuples and lists.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from goordinate.cborrpc.decode import loads, opaque_item, read_map
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.messages import Dispatcher
from goordinate.coordinate.api import Backend
from goordinate.coordinate.clock import Clock as AnyClock
from goordinate.coordinate.errors import CoordinateError
from goordinate.jobserver import JobServer
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.exact import assert_exact

AVAILABLE, PENDING, FINISHED, FAILED = 1, 3, 4, 5
RUNNABLE, PAUSED = 1, 2

#: What get_config answers.
CONFIGURATION = {b"coordinate": {b"server": {b"port": 5932}}, b"name": "né"}

#: What server_stats answers.
STATS = {"connections": 1, "frames_malformed": 0}

#: The answer to a call that did what it was asked.
DONE = (True, None)

#: get_work's answer when there is nothing to do, for one unit.
NOTHING = ((None, None, None), None)


def job_server(backend: Backend, clock: AnyClock) -> JobServer:
    """The job server of the RPC clients on a backend and its clock."""
    return JobServer(
        backend.namespace(""), clock=clock, configuration=lambda: CONFIGURATION, stats=lambda: STATS
    )


def dispatcher_of(server: JobServer) -> Dispatcher:
    """What answers the calls of a job server."""
    return Dispatcher(server.methods, expected=(CoordinateError,))


class Rpc:
    """A job server, reached through `exchange`: an encoded request in, its response out."""

    def __init__(self, exchange: Callable[[bytes], bytes], clock: Clock, server: JobServer) -> None:
        self.exchange = exchange
        self.clock = clock
        self.server = server
        self._ids = itertools.count(1)

    def request(self, method: str, params: object) -> dict[bytes, bytes]:
        """The response to a call: its keys, and its values as they came on the wire."""
        number = next(self._ids)
        message = {b"id": number, b"method": method.encode(), b"params": params}
        answer = self.exchange(dumps(message))
        keys = (b"id", b"result", b"error")
        response, end = read_map(answer, 0, 256, dict.fromkeys(keys, opaque_item))
        assert end == len(answer)
        assert response[b"id"] == dumps(number)
        return response

    def encoded(self, method: str, *params: object) -> bytes:
        """The answer to a call, as it came on the wire."""
        response = self.request(method, list(params))
        assert response.keys() == {b"id", b"result"}, loads(response[b"error"])
        return response[b"result"]

    def call(self, method: str, *params: object) -> Any:
        """The answer to a call."""
        return loads(self.encoded(method, *params))

    def expect(self, answer: object, method: str, *params: object) -> None:
        """Fail unless the call is answered with exactly this, types included."""
        assert_exact(self.call(method, *params), answer)

    def error(self, method: str, params: object) -> str:
        """The message of the error response to a call."""
        response = self.request(method, params)
        assert response.keys() == {b"id", b"error"}, loads(response[b"result"])
        error = loads(response[b"error"])
        assert error.keys() == {b"message"}
        assert type(error[b"message"]) is bytes
        return str(error[b"message"].decode())

    def refuse(self, method: str, *params: object, saying: tuple[str, ...] = ()) -> None:
        """Fail unless the call is answered with an error that names the method and all these."""
        text = self.error(method, list(params))
        missing = [part for part in (method, *saying) if part not in text]
        assert not missing, f"{text!r} does not say {missing}"

    # --- what most tests begin with, and look at in the end -----------------------------------

    def define(self, name: object, **keys: object) -> None:
        """Set a work spec with these keys."""
        dictionary = {b"name": name, **{key.encode(): value for key, value in keys.items()}}
        self.expect(DONE, "set_work_spec", dictionary)

    def add(self, spec: object, *keys: object, data: object = None, **meta: object) -> None:
        """Add units, all with the same data (default: an empty map) and meta."""
        content = {} if data is None else data
        given = {key.encode(): value for key, value in meta.items()}
        units = [(key, content, given) if given else (key, content) for key in keys]
        self.expect(DONE, "add_work_units", spec, units)

    def get(self, worker: object = b"worker", **options: object) -> Any:
        """What get_work answers; no message is expected."""
        given = {key.encode(): value for key, value in options.items()}
        answer, note = self.call("get_work", worker, given)
        assert note is None
        return answer

    def taken(self, **options: object) -> bytes | None:
        """The key of the unit that get_work hands out now."""
        key: bytes | None = self.get(**options)[1]
        return key

    def update(self, spec: object, key: object, **options: object) -> None:
        """Update a unit, with success."""
        given = {name.encode(): value for name, value in options.items()}
        self.expect(DONE, "update_work_unit", spec, key, given)

    def status(self, spec: object, key: object) -> Any:
        """What get_work_unit_status says of one unit."""
        (status,), note = self.call("get_work_unit_status", spec, [key])
        assert note is None
        return status

    def state(self, spec: object, key: object) -> int | None:
        """The state of a unit; None if there is none of this key."""
        status = self.status(spec, key)
        return None if status is None else status[b"status"]

    def units(self, spec: object, **options: object) -> Any:
        """The units that get_work_units lists."""
        given = {name.encode(): value for name, value in options.items()}
        units, note = self.call("get_work_units", spec, given)
        assert note is None
        return units

    def keys(self, spec: object, **options: object) -> list[Any]:
        """The keys that get_work_units lists."""
        return [key for key, _ in self.units(spec, **options)]

    def counts(self, spec: object) -> Any:
        """What count_work_units counts."""
        counts, note = self.call("count_work_units", spec)
        assert note is None
        return counts

    def held(self, parent: object) -> dict[Any, list[Any]]:
        """The keys that each child of a worker holds."""
        children, note = self.call("get_child_work_units", parent)
        assert note is None
        return {
            child: [unit[b"work_unit_key"] for unit in units] for child, units in children.items()
        }
