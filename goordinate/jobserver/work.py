"""RPC get_work: hand out units of the work spec that should run next."""

from __future__ import annotations

import logging
from collections.abc import Collection, Generator

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.heads import NULL
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.requests import Method, Parameter
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
    whole,
)

logger = logging.getLogger(__name__)

NOTHING = Encoded(dumps(((None, None, None), None)))
NO_UNITS = Encoded(dumps(([], None)))

#: What a worker that names no runtime can run: specs that name none.
NO_RUNTIME = frozenset((b"",))


class WorkCalls:
    """The RPC by which workers get work."""

    def __init__(self, namespace: Namespace, limits: Limits) -> None:
        self._namespace = namespace
        self._limits = limits

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
        """((spec, key, data), None) for one unit, ([..], None) for many; all from one spec."""
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
        handout = self._namespace.request_work(
            worker_id,
            count=count,
            lease=lease,
            work_specs=specs,
            runtimes=runtimes,
            room=self._limits.max_answer,
        )
        if handout is not None and not handout.units:
            return self._ask_again(worker_id, count, lease, specs, runtimes)
        return _answer(handout, count)

    def _ask_again(
        self,
        worker_id: Name,
        count: int,
        lease: float,
        specs: Collection[Name] | None,
        runtimes: Collection[Name],
    ) -> Generator[None, None, object]:
        """The answer when there is something to give, or nothing; others have turns meanwhile."""
        while True:
            yield
            handout = self._namespace.request_work(
                worker_id,
                count=count,
                lease=lease,
                work_specs=specs,
                runtimes=runtimes,
                room=self._limits.max_answer,
            )
            if handout is None or handout.units:
                return _answer(handout, count)


def _answer(handout: Handout | None, count: int) -> object:
    if handout is None:
        return NOTHING if count == 1 else NO_UNITS
    # The stored bytes go out as they are, between heads that are constants.
    head = TRIPLE + encoded_name(handout.work_spec)
    if count == 1:
        return Encoded(b"".join((PAIR, head, handout.units[0][1], NULL)))
    return spliced_list([head + entry for _, entry, _ in handout.units])


GET_WORK_OPTIONS = remembered(
    options(lease_time=number, max_jobs=whole, work_spec_names=names, runtimes=names)
)
