"""An answer shows one moment, however the clock goes on while it is made."""

from __future__ import annotations

from goordinate.tests.jobserver.rpc import AVAILABLE, DONE, PENDING, Rpc


def test_a_lease_that_ends_meanwhile(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k", data={b"traceback": b"t"})
    rpc.expect(DONE, "worker_heartbeat", b"w", b"RUN", 86_400, {}, b"p")
    free = {b"status": AVAILABLE, b"expiration": None, b"traceback": b"t"}
    for number in range(20):
        rpc.clock.step = 0
        assert rpc.taken(worker=b"w", lease_time=10) == b"k"
        end = rpc.clock.now + 10
        # The lease ends when the clock has been looked at `number` times.
        rpc.clock.step = 10 / (number + 0.5)
        held = {b"status": PENDING, b"expiration": end, b"worker_id": b"w", b"traceback": b"t"}
        assert rpc.status(b"s", b"k") in (held, free)
        rpc.clock.step = 0
        rpc.update(b"s", b"k", status=AVAILABLE)

        assert rpc.taken(worker=b"w", lease_time=10) == b"k"
        end = rpc.clock.now + 10
        rpc.clock.step = 10 / (number + 0.5)
        children, _ = rpc.call("get_child_work_units", b"p")
        assert [unit[b"expires"] for unit in children[b"w"]] in ([], [end])
        rpc.clock.step = 0
        rpc.update(b"s", b"k", status=AVAILABLE)
