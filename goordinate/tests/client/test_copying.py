"""A queue is copied to another daemon: from ours, and from the original."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goordinate import testing
from goordinate.cborrpc import Client, Encoded
from goordinate.client import copying
from goordinate.client.answers import KEYS_AND_DATA, SPEC
from goordinate.client.copying import Copied, CopyError, copy
from goordinate.client.forms import as_bytes, identical
from goordinate.testing import task_master
from goordinate.tests.differential.daemons import DaemonProcess, original_command

AVAILABLE, PENDING, FINISHED, FAILED = 1, 3, 4, 5
PAUSED = 2

#: More than two pages.
MANY = 2500

#: Of the names and data of units, as Python 2 programs send them.
UNITS: list[tuple[bytes | str, Any]] = [
    (b"available", {b"a": "text", "b": b"bytes", b"l": [1, (2, 3)], b"f": 0.5}),
    (b"\x00\xff", {b"n": None}),
    (b"pending", {b"p": 1}),
    (b"finished", {b"output": {b"chained": {}}}),
    (b"failed", {b"traceback": b"why"}),
]

#: Of another work spec: the original cannot have both kinds of names beyond ASCII in one.
TEXT_UNITS: list[tuple[bytes | str, Any]] = [("text \xe9", {"\xe9": "\xe9"}), ("u", {})]

TOTAL = MANY + len(UNITS)


@pytest.fixture
def target() -> Client:
    """An empty queue of ours."""
    return task_master().client


@pytest.fixture(params=["ours", pytest.param("original", marks=pytest.mark.original)])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """A queue with two work specs and many units in all states."""
    if request.param == "ours":
        client = task_master().client
        fill(client)
        yield client
        return
    daemon = DaemonProcess(original_command(), tmp_path, {"coordinate": {}})
    try:
        with Client(daemon.address) as client:
            fill(client)
            yield client
    finally:
        daemon.stop()


def fill(client: Client) -> None:
    """What the tests copy."""
    client.call("set_work_spec", {b"name": "next", b"weight": 7, "x": "y"})
    client.call("add_work_units", "next", TEXT_UNITS)
    # Without `then`, so that what finishes here does not chain.
    client.call("set_work_spec", {b"name": b"s"})
    many = [(b"unit-%04d" % number, {b"n": number}) for number in range(MANY)]
    client.call("add_work_units", b"s", [*UNITS, *many])
    update(client, b"finished", FINISHED)
    update(client, b"failed", FAILED)
    for _ in range(2):  # the worker counts from the second time
        update(client, b"pending", PENDING, {b"lease_time": 1000, b"worker_id": b"w"})
    for number in range(0, MANY, 2):
        update(client, b"unit-%04d" % number, FINISHED)
    client.call("set_work_spec", {b"name": b"s", b"then": "next", b"weight": 7, "x": "y"})
    client.call("control_work_spec", b"s", {b"status": PAUSED})


def update(
    client: Client, key: bytes, status: int, more: dict[bytes, object] | None = None
) -> None:
    done = client.call("update_work_unit", b"s", key, {b"status": status, **(more or {})})
    assert done == (True, None)


def dictionary(client: Client, name: bytes | str) -> Any:
    """A work spec, as it is stored."""
    return client.call("get_work_spec", name, read=SPEC)


def units(client: Client, spec: bytes | str) -> list[tuple[bytes | str, bytes]]:
    """The names and the encoded data of all units."""
    found: list[tuple[bytes | str, bytes]] = []
    start: dict[str, object] = {}
    while page := client.call("get_work_units", spec, start, read=KEYS_AND_DATA)[0]:
        found += [(key, bytes(data)) for key, data in page]
        last = found[-1][0]
        start = {"start": last + "\0" if isinstance(last, str) else last + b"\0"}
    return found


def counts(client: Client, spec: bytes | str) -> Any:
    return client.call("count_work_units", spec)[0]


def assert_copied(source: Client, target: Client) -> None:
    """The target has what the source has, names and data to the byte."""
    for name in (b"s", "next"):
        assert dictionary(target, name) == dictionary(source, name)
        assert identical(units(target, name), units(source, name))
        assert counts(target, name) == counts(source, name)
        meta, _ = target.call("get_work_spec_meta", name)
        assert meta == source.call("get_work_spec_meta", name)[0]


def test_all_is_there(source: Client, target: Client) -> None:
    seen: list[int] = []
    copied = copy(source, target, progress=lambda each: seen.append(each.units))
    assert_copied(source, target)
    assert counts(target, "next") == {AVAILABLE: len(TEXT_UNITS)}  # nothing was chained again
    assert {as_bytes(each.work_spec): (each.units, each.total) for each in copied} == {
        b"s": (TOTAL, TOTAL),
        b"next": (len(TEXT_UNITS), len(TEXT_UNITS)),
    }
    assert len(seen) >= 4
    (pending,), _ = target.call("get_work_unit_status", b"s", [b"pending"])
    (before,), _ = source.call("get_work_unit_status", b"s", [b"pending"])
    assert pending[b"worker_id"] == b"w"
    # The time that the copying took.
    assert abs(pending[b"expiration"] - before[b"expiration"]) < 100


def test_what_was_broken_off_goes_on(source: Client, target: Client) -> None:
    class BrokenOff(Exception):
        pass

    def break_off(each: Copied) -> None:
        if each.units > MANY / 3:
            raise BrokenOff

    with pytest.raises(BrokenOff):
        copy(source, target, [b"s"], progress=break_off)
    # Nobody works on it meanwhile.
    assert target.call("get_work", b"w", {})[0] == (None, None, None)
    assert counts(target, b"s") != counts(source, b"s")
    # What changes in the source meanwhile is copied.
    update(source, b"unit-0001", FAILED, {b"data": {b"new": 1}})
    rest = {as_bytes(each.work_spec): each for each in copy(source, target)}
    assert_copied(source, target)
    assert rest[b"s"].units == TOTAL
    assert 0 < rest[b"s"].sent < TOTAL - MANY / 3 + 2


def test_again_it_does_nothing(source: Client, target: Client) -> None:
    copy(source, target)
    target.call("del_work_units", b"s", {b"work_unit_keys": [b"unit-0001"]})
    again = copy(source, target)
    assert [(each.was_there, each.sent) for each in again] == [(True, 0)] * 2
    assert len(units(target, b"s")) == TOTAL - 1


def test_only_some_work_specs(source: Client, target: Client) -> None:
    copy(source, target, ["next"])
    assert dictionary(target, b"s") is None
    assert dictionary(target, "next") is not None


def test_a_work_spec_that_is_not_there(source: Client, target: Client) -> None:
    with pytest.raises(CopyError, match="no work spec 'none'"):
        copy(source, target, ["s", "none"])
    assert dictionary(target, "s") is None


def test_another_work_spec_of_that_name_is_left_alone(source: Client, target: Client) -> None:
    target.call("set_work_spec", {b"name": b"s"})
    target.call("add_work_units", b"s", [(b"mine", {})])
    with pytest.raises(CopyError, match="another work spec 's'"):
        copy(source, target, ["s"])
    assert [key for key, _ in units(target, b"s")] == [b"mine"]


def test_a_lease_that_is_over_is_not_renewed() -> None:
    assert copying._state({b"status": PENDING, b"expiration": 10.0}, 10.0) == {}
    assert copying._state({"status": PENDING, "expiration": 12.0}, 10.0)["lease_time"] == 2.0


def test_large_units_go_in_small_requests(target: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    source = task_master().client
    source.call("set_work_spec", {b"name": b"s"})
    large = Encoded(b"\x5a\x00\x10\x00\x00" + bytes(2**20))
    for number in range(20):
        source.call("add_work_units", b"s", [(b"%02d" % number, {b"d": large})])
    sizes: list[int] = []
    exchange = target.exchange

    def measured(message: bytes, wait: float = 0.0) -> bytes:
        sizes.append(len(message))
        return exchange(message, wait)

    monkeypatch.setattr(target, "exchange", measured)
    copy(source, target)
    assert units(target, b"s") == units(source, b"s")
    assert max(sizes) < copying.PAGE_BYTES + 2**20


def test_the_command() -> None:
    with testing.server() as first, testing.server() as second, Client(first) as source:
        fill(source)
        command = [sys.executable, "-m", "goordinate.client.copying", first, second]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert f"s: {TOTAL} units, {TOTAL} sent now" in ran.stdout
        for each in copying.NOT_COPIED:
            assert each in ran.stderr
        with Client(second) as target:
            assert_copied(source, target)
        failed = subprocess.run([*command, "--work-spec", "none"], capture_output=True, check=False)
        assert failed.returncode == 1
