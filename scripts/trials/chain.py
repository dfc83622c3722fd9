"""The work of the fault test: a chain of two work specs, each unit of the first adding one to the
second, and a work spec of large units that is there to be read and never run."""

from __future__ import annotations

from collections.abc import Iterator

from goordinate.cborrpc import Client

FIRST, SECOND, LARGE = b"a", b"b", b"large"
DATA = {b"data": bytes(32)}
FINISHED = 4

UNITS_A_CALL = 1_000
PAGE = 5_000
LARGE_UNITS, LARGE_BYTES = 250, 4_000


class WrongAnswer(Exception):
    """A call was not answered as it has to be."""


def key(spec: bytes, number: int) -> bytes:
    """The key of a unit: in the order of the numbers, and with the name of its spec."""
    return b"%b%08d" % (spec, number)


def number_of(unit_key: bytes) -> int:
    """The number in a key."""
    return int(unit_key[1:])


def fill(client: Client, units: int) -> None:
    """The work specs, and the units of the first."""
    for spec in (
        {b"name": FIRST, b"then": SECOND},
        {b"name": SECOND},
        {b"name": LARGE, b"disabled": True},
    ):
        client.call("set_work_spec", spec)
    for start in range(0, units, UNITS_A_CALL):
        numbers = range(start, min(start + UNITS_A_CALL, units))
        client.call("add_work_units", FIRST, [(key(FIRST, n), DATA) for n in numbers])
    large = [(key(LARGE, n), {b"data": bytes(LARGE_BYTES)}) for n in range(LARGE_UNITS)]
    client.call("add_work_units", LARGE, large)


def faults_of_the_queue(client: Client, units: int) -> list[str]:
    """In which ways the drained queue is not as it should be: every unit there once, finished."""
    faults = []
    for spec in (FIRST, SECOND):
        counts, _ = client.call("count_work_units", spec)
        if counts != {FINISHED: units}:
            faults.append(f"the counts of {spec.decode()} are {counts}")
        if list(_listed(client, spec)) != [key(spec, number) for number in range(units)]:
            faults.append(f"the pages of {spec.decode()} are not its units, each once, in order")
    return faults


def _listed(client: Client, spec: bytes) -> Iterator[bytes]:
    """The keys of all units, page by page."""
    options: dict[bytes, object] = {b"limit": PAGE}
    while True:
        page, _ = client.call("get_work_units", spec, options)
        if not page:
            return
        yield from (unit_key for unit_key, _ in page)
        # A page begins at `start`: the least key after the last one.
        options[b"start"] = page[-1][0] + b"\0"
