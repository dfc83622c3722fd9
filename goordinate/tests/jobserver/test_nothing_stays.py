"""What is gone leaves nothing: each container that calls can fill is filled and cleared again and
again, with other names each time, and takes no more memory in the end.

What is remembered up to a limit has reached it after the first turns.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import gevent
import pytest

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.api import Backend
from goordinate.coordinate.handles import Queue
from goordinate.memory import workers as workers_in_memory
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.jobserver.rpc import AVAILABLE, FAILED, FINISHED, dispatcher_of, job_server

#: Turns that fill what has a limit, and turns in which nothing may grow.
FIRST, TURNS = 3, 10

#: Bytes that may come together in `TURNS` turns for other reasons, as a dictionary that is larger
#: at one time than at another. What leaves one long name a turn behind takes more, or 100 bytes of
#: each thing.
ALLOWED = 100_000

#: Bytes that all that is remembered may take.
REMEMBERED = 12_000_000


class Size(NamedTuple):
    """How many things a turn makes, and how long their names and data are."""

    things: int
    length: int


SIZES = {"many small": Size(100, 8), "a few large": Size(5, 600_000)}


class World:
    """A job server, and what a turn of a test makes in it."""

    def __init__(self, backend: Backend, clock: Clock, size: Size) -> None:
        server = job_server(backend, clock)
        server.limit_completed_count = 0
        self.backend = backend
        self.clock = clock
        self.queue = Queue(backend.namespace(""))
        self._size = size
        self._turn = 0
        self._answer = dispatcher_of(server).answer

    def next_turn(self) -> None:
        """From now on all names are others, and all times."""
        self._turn += 1
        self.clock.advance(1)

    def call(self, method: str, *params: object) -> Any:
        """The answer to a call."""
        response = self.response(method.encode(), list(params))
        assert b"error" not in response, response
        return response[b"result"]

    def response(self, method: bytes, params: object) -> Any:
        """The response to a request."""
        request = {b"id": 1, b"method": method, b"params": params}
        return loads(self._answer(dumps(request)))

    def done(self, method: str, *params: object) -> None:
        """A call that must do what it is asked."""
        value, message = self.call(method, *params)
        assert message is None, message
        assert value

    def names(self, kind: bytes) -> list[bytes]:
        """The names of the things of this turn."""
        return [
            b"%s %d %d " % (kind, self._turn, number) + kind * (self._size.length // len(kind))
            for number in range(self._size.things)
        ]

    def filler(self) -> bytes:
        """A value of its own, as long as a name."""
        return bytes(self._size.length)

    def define(self, name: bytes, **keys: object) -> None:
        """Set a work spec."""
        self.done("set_work_spec", {b"name": name, **{key.encode(): keys[key] for key in keys}})

    def add(self, **meta: object) -> list[bytes]:
        """Add the units of this turn to the spec `s`, which is made if need be."""
        self.define(b"s")
        keys = self.names(b"unit")
        more = [{key.encode(): meta[key] for key in meta}] if meta else []
        units = [(key, {b"data": self.filler()}, *more) for key in keys]
        self.done("add_work_units", b"s", units)
        return keys

    def take(self, worker: bytes = b"worker", lease: float = 300) -> bytes:
        """Lease a unit; its key."""
        (_, key, _), _ = self.call("get_work", worker, {b"lease_time": lease})
        assert key is not None
        return bytes(key)

    def update(self, key: bytes, **options: object) -> None:
        """Update a unit of the spec `s`."""
        self.done("update_work_unit", b"s", key, {name.encode(): options[name] for name in options})

    def delete(self) -> None:
        """Delete all units of the spec `s`."""
        self.done("del_work_units", b"s", {b"all": True})


def specs(world: World) -> None:
    """Work specs with a unit of which a worker has got one."""
    for name in world.names(b"spec"):
        world.define(name, text=world.filler())
        world.done("add_work_units", name, [(b"unit", {})])
        world.take()
        world.done("del_work_spec", name)


def cleared(world: World) -> None:
    """All specs at once, with runtimes and ways to others of their own, and filters on them."""
    names = world.names(b"spec")
    for name in names:
        world.define(name, then=name + b"x", runtime=name + b"y")
        world.done("add_work_units", name, [(b"unit", {}), (b"delayed", {}, {b"delay": 1000})])
    for name in names[:12]:
        world.call("get_work", b"worker", {b"work_spec_names": [name], b"runtimes": [name + b"y"]})
    assert world.call("clear") == len(names)


def set_again(world: World) -> None:
    """Dictionaries of one spec."""
    for name in world.names(b"spec"):
        world.define(b"s", then=name, text=world.filler(), runtime=name)
        world.call("control_work_spec", b"s", {b"weight": len(name) % 100})


def filtered(world: World) -> None:
    """What get_work is asked for: specs and runtimes that there are, and others."""
    for name in (b"a", b"b", b"c"):
        world.define(name)
    for name in world.names(b"name"):
        world.call("get_work", name, {b"work_spec_names": [name, b"a"], b"runtimes": [name, b""]})
        world.call("get_work", b"worker", {b"runtimes": [name]})


def units(world: World) -> None:
    """Units, deleted in each of the three ways."""
    world.add()
    world.delete()
    world.done("del_work_units", b"s", {b"work_unit_keys": world.add(priority=7)})
    world.add()
    world.call("prioritize_work_units", b"s", {b"work_unit_keys": world.names(b"unit"),
                                               b"adjustment": 1})  # fmt: skip
    world.done("del_work_units", b"s", {b"state": AVAILABLE})


def delayed(world: World) -> None:
    """Delays, each of which ends in another second, when its unit is long gone."""
    world.define(b"s")
    for number, key in enumerate(world.names(b"unit")):
        world.done("add_work_units", b"s", [(key, {}, {b"delay": 100_000 + 16 * number})])
    world.delete()


def leased(world: World) -> None:
    """Leases, each of which ends in another second, when its unit is long gone."""
    for number, _ in enumerate(world.add()):
        world.take(lease=1000 + 16 * number)
    world.delete()


def lapsed(world: World) -> None:
    """Leases that run out while the child lives that had them."""
    for _ in range(2):
        world.done("worker_heartbeat", b"child", b"RUN", 10_000, {}, b"parent")
        world.add()
        for _ in range(5):
            world.take(b"child", 10)
        world.clock.advance(20)
        world.call("get_child_work_units", b"parent")
        world.delete()


def finished(world: World) -> None:
    """Units that have ended and are archived."""
    for number, _ in enumerate(world.add()):
        world.clock.advance(0.01)
        world.update(world.take(), status=(FINISHED, FAILED)[number % 2], data=world.filler())
    world.call("archive", {})
    assert world.call("get_work_units", b"s", {}) == ([], None)


def done_again(world: World) -> None:
    """Attempts, each of which leaves data of its own."""
    world.add()
    for _ in range(17):
        for _ in range(2):
            world.update(world.take(), status=AVAILABLE, data=world.filler())
    world.delete()


def chained(world: World) -> None:
    """Units that others have as output."""
    world.define(b"next")
    world.define(b"s", then=b"next")
    for key in world.names(b"unit"):
        world.done("add_work_units", b"s", [(key, {})])
        output = {key + b"x": {b"data": world.filler()}}
        world.update(key, status=FINISHED, data={b"output": output})
    world.done("del_work_units", b"next", {b"all": True})
    world.delete()
    world.define(b"s")


def made_up(world: World) -> None:
    """Units of a continuous spec."""
    world.define(b"s", continuous=True, interval=1)
    for _ in range(12):
        world.clock.advance(2)
        world.take()
    world.delete()
    world.define(b"s")


def workers(world: World) -> None:
    """Workers that say how they are, half of them to the end."""
    for number, name in enumerate(world.names(b"worker")):
        mode = (b"m" * min(4000, len(world.filler())), number)
        world.done("worker_heartbeat", name, mode, 60, {b"d": world.filler()}, name + b"parent")
        if number % 2:
            world.done("worker_unregister", name)
    world.clock.advance(100)
    assert world.call("list_worker_modes") == ({}, None)


def silent_workers(world: World) -> None:
    """Workers that do no more than take work, some of it with names as long as theirs."""
    world.add()
    for name in world.names(b"worker"):
        world.update(world.take(name), status=FINISHED)
    world.delete()


def one_worker(world: World) -> None:
    """What one worker did."""
    world.done("worker_heartbeat", b"worker", b"RUN", 10_000, {}, b"parent")
    for _ in world.add():
        world.update(world.take(), status=FINISHED)
    world.delete()


def parents(world: World) -> None:
    """Parents of workers of which nothing else is known."""
    for name in world.names(b"worker"):
        world.queue.namespace.set_parent(name, name + b"parent")
        world.queue.namespace.set_parent(b"child", name)
        world.queue.namespace.set_parent(b"child", None)


def locks(world: World) -> None:
    """Locks that are unlocked, or renewed, or whose time runs out, while one stays that ends
    before many of them."""
    world.call("lock", b"owner", 50, [[b"stays"]])
    paths = [[name, b"below", name] for name in world.names(b"path")]
    for path in paths:
        world.done("lock", path[0], 1000, [path])
        world.done("renew", path[0], 1000, [path])
    for path in paths[::2]:
        world.done("unlock", path[0], [path])
    for path in paths[1::2]:
        world.call("delete_namespace", path[0])
    world.call("locksome", b"owner", 20, paths)
    world.clock.advance(40)
    assert world.call("readlock", paths) == [None] * len(paths)


def namespaces(world: World) -> None:
    """Namespaces with something of everything in them."""
    for name in world.names(b"name"):
        queue = Queue(world.backend.namespace(name.decode()))
        queue.set_work_spec(dumps({b"name": name}))
        queue.heartbeat(name, mode=name, data=world.filler(), lifetime=60, parent=None)
        queue.destroy()


def refused(world: World) -> None:
    """Calls that cannot be served."""
    for name in world.names(b"name")[::4]:
        requests: list[tuple[bytes, object]] = [
            (name, []),
            (b"get_work", [name]),
            (b"get_work", {name: 1}),
            (b"set_work_spec", [{b"name": name, b"interval": name}]),
            (b"set_work_spec", [{b"name": b"", name: name}]),
            (b"add_work_units", [b"s", [(name, {}, {b"priority": name})]]),
            (b"worker_heartbeat", [name, [name], 60, {}, None]),
        ]
        for method, params in requests:
            assert b"error" in world.response(method, params)
        for method in (b"count_work_units", b"get_work_spec", b"del_work_spec"):
            world.response(method, [name])
        for spec in (name, b"s"):
            world.response(b"get_work_unit_status", [spec, [name]])
            world.response(b"get_work_units", [spec, {b"start": name}])


CONTAINERS: list[Callable[[World], None]] = [
    specs, cleared, set_again, filtered, units, delayed, leased, lapsed, finished, done_again,
    chained, made_up, workers, silent_workers, one_worker, parents, locks, namespaces, refused,
]  # fmt: skip


@pytest.fixture(autouse=True)
def few_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are reached in the first turns."""
    monkeypatch.setattr(workers_in_memory, "INACTIVE_WORKERS_KEPT", 100)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.__name__)
def test_filled_and_cleared(
    backend: Backend, clock: Clock, container: Callable[[World], None], size: str
) -> None:
    world = World(backend, clock, SIZES[size])

    def turns(count: int) -> int:
        for _ in range(count):
            world.next_turn()
            container(world)
            while backend.tidy():  # what is left for later
                pass
        gc.collect()
        if world.backend.must_settle:  # what waits to be written, or swept, takes memory
            world.backend.settle()
            gevent.sleep(0.3)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = turns(FIRST)
        after = turns(TURNS)
    finally:
        tracemalloc.stop()
    assert after - before < ALLOWED
    assert after < REMEMBERED
