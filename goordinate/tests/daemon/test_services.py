"""Services: the order of start and stop, and what happens when one fails."""

from __future__ import annotations

from collections.abc import Mapping

import gevent
import pytest

from goordinate.services import Services, StartError, Tidier


class Noted:
    """A service that notes what is done to it."""

    def __init__(self, name: str, notes: list[str], *, fails: str = "") -> None:
        self._name = name
        self._notes = notes
        self._fails = fails
        self.timeout = -1.0

    def start(self) -> None:
        self._note("start")

    def stop(self, timeout: float) -> None:
        self.timeout = timeout
        self._note("stop")

    def counts(self) -> Mapping[str, int]:
        return {self._name: len(self._notes)}

    def _note(self, what: str) -> None:
        self._notes.append(f"{what} {self._name}")
        if self._fails == what:
            raise StartError(self._name)


def test_services_stop_in_the_reverse_order_of_their_start() -> None:
    notes: list[str] = []
    several = [Noted(name, notes) for name in "abc"]
    services = Services(several)
    services.start()
    assert services.counts() == {"a": 3, "b": 3, "c": 3}
    services.stop(10)
    services.stop(10)
    assert notes == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]
    # One time for all: what is left of it goes to the next.
    assert 10 >= several[2].timeout >= several[1].timeout >= several[0].timeout > 0


def test_when_one_cannot_start_those_before_it_are_stopped() -> None:
    notes: list[str] = []
    services = Services([Noted("a", notes), Noted("b", notes, fails="start"), Noted("c", notes)])
    with pytest.raises(StartError, match=r"^b$"):
        services.start()
    assert notes == ["start a", "start b", "stop a"]


def test_one_that_cannot_stop_leaves_the_others_their_stop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notes: list[str] = []
    services = Services([Noted("a", notes), Noted("b", notes, fails="stop")])
    services.start()
    services.stop(1)
    assert notes == ["start a", "start b", "stop b", "stop a"]
    assert [record.getMessage() for record in caplog.records] == ["Noted: stopping failed"]


class Untidy:
    """A backend with something left to do, which fails once."""

    def __init__(self, left: int) -> None:
        self.left = left

    def tidy(self) -> bool:
        self.left -= 1
        if self.left == 5:
            raise ZeroDivisionError
        return self.left > 0


def test_what_is_left_for_later_is_done(caplog: pytest.LogCaptureFixture) -> None:
    backend = Untidy(10)
    tidier = Tidier(backend)  # type: ignore[arg-type]
    tidier.start()
    with gevent.Timeout(30):
        while backend.left > 0:
            gevent.sleep(0.01)
    tidier.stop(1)
    left = backend.left
    gevent.sleep(0.3)
    assert backend.left == left
    assert [record.getMessage() for record in caplog.records] == [
        "tidying up failed; the next try is in 0.1 s"
    ]
