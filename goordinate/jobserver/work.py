"""RPC get_work: hand out units of the work spec that should run next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from functools import partial
from time import monotonic

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.heads import NULL
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.requests import Method, Parameter, Wait
from goordinate.cborrpc.tags import Encoded
from goordinate.coordinate.api import Handout, Namespace
from goordinate.coordinate.names import Name, printable
from goordinate.jobserver.answers import PAIR, TRIPLE, encoded_name, spliced_list
from goordinate.jobserver.options import (
    DEFAULT_LEASE,
    MAX_LEASE,
    MIN_LEASE,
    Options,
    name,
    names,
    number,
    options,
    remembered,
    seconds,
    whole,
)
from goordinate.jobserver.waiters import Waiter, Waiters

Ask = Callable[[], Handout | None]
"""Asks for work, always for the same."""

logger = logging.getLogger(__name__)

NOTHING = Encoded(dumps(((None, None, None), None)))
NO_UNITS = Encoded(dumps(([], None)))

#: What a worker that names no runtime can run: specs that name none.
NO_RUNTIME = frozenset((b"",))

#: Seconds that a call may wait.
MAX_WAIT = 60.0

#: A call that names more work specs, or runtimes, does not wait: it would keep the names.
MAX_NAMED = 1000


class WorkCalls:
    """The RPC by which workers get work.

    `hold` gives the seconds for which a call waits that does not say how long.
    """

    def __init__(self, namespace: Namespace, limits: Limits, hold: Callable[[], float]) -> None:
        self._namespace = namespace
        self._limits = limits
        self._hold = hold
        self._waiters = Waiters(namespace)

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        return [
            Method(
                "get_work",
                self.get_work,
                (Parameter("worker_id", name), Parameter("options", GET_WORK_OPTIONS)),
            )
        ]

    def get_work(self, worker_id: Name, options: Options) -> object:
        """((spec, key, data), None) for one unit, ([..], None) for many; all from one spec.

        It may wait until there is a unit.
        """
        count = options.get(b"max_jobs")
        if count is None:
            count = 1
        lease = options.get(b"lease_time")
        if lease is None:
            lease = DEFAULT_LEASE
        elif not MIN_LEASE <= lease <= MAX_LEASE:
            logger.warning(
                "worker %s: lease_time %s is out of range, set to %s",
                printable(worker_id), lease, DEFAULT_LEASE,
            )  # fmt: skip
            lease = DEFAULT_LEASE
        specs = options.get(b"work_spec_names")
        runtimes = options.get(b"runtimes") or NO_RUNTIME
        waiters = self._waiters
        if waiters.calls:
            self._namespace.now()  # what time has brought by now is for those that wait
        nothing = False
        if not waiters.due:
            # Not by `ask`: to make that takes 2 % of the call, and few calls wait.
            handout = self._namespace.request_work(
                worker_id, count=count, lease=lease, work_specs=specs, runtimes=runtimes,
                room=self._limits.max_answer,
            )  # fmt: skip
            if handout is not None and handout.units:
                return _answer(handout, count)
            nothing = handout is None
        wait = options.get(b"wait")
        wait = self._hold() if wait is None else min(wait, MAX_WAIT)
        if count <= 0 or max(len(specs or ()), len(runtimes)) > MAX_NAMED:
            wait = 0.0
        if nothing and not wait:
            return _answer(None, count)
        ask = partial(
            self._namespace.request_work,
            worker_id, count=count, lease=lease, work_specs=specs, runtimes=runtimes,
            room=self._limits.max_answer,
        )  # fmt: skip
        enter = partial(waiters.enter, specs, runtimes, wait) if wait else None
        return self._in_turn(ask, count, enter)

    def _in_turn(
        self, ask: Ask, count: int, enter: Callable[[], Waiter] | None
    ) -> Generator[Wait | None, None, object]:
        """The answer when all who waited before have what there is for them.

        `enter` begins to wait; None: the call does not wait.
        """
        waiters = self._waiters
        while waiters.due:
            yield None
        handout = yield from _found(ask)
        if handout is not None or enter is None:
            return _answer(handout, count)
        waiter = enter()
        try:
            while handout is None and monotonic() < waiter.end:
                wait = waiters.step(waiter)
                yield wait
                if wait.over:
                    break
                handout = yield from _found(ask)
        finally:
            waiters.leave(waiter)
        return _answer(handout, count)


def _found(ask: Ask) -> Generator[None, None, Handout | None]:
    """What there is to give, or None; others have turns meanwhile."""
    while True:
        handout = ask()
        if handout is None or handout.units:
            return handout
        yield None


def _answer(handout: Handout | None, count: int) -> object:
    if handout is None:
        return NOTHING if count == 1 else NO_UNITS
    # The stored bytes go out as they are, between heads that are constants.
    head = TRIPLE + encoded_name(handout.work_spec)
    if count == 1:
        return Encoded(b"".join((PAIR, head, handout.units[0][1], NULL)))
    return spliced_list([head + entry for _, entry, _ in handout.units])


GET_WORK_OPTIONS = remembered(
    options(lease_time=number, max_jobs=whole, work_spec_names=names, runtimes=names, wait=seconds)
)
