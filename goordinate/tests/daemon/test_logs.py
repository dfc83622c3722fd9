"""The log: one line an event, few of the same, none with the data of a unit."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from goordinate import logs
from goordinate.config import LogConfig


def line_of(message: str, *arguments: object, exc_info: Any = None) -> str:
    record = logging.LogRecord(
        "some.logger", logging.INFO, __file__, 1, message, arguments, exc_info
    )
    return logs.LineFormatter().format(record)


def test_a_line_has_time_level_and_logger() -> None:
    line = line_of("took %d s", 5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO some\.logger: took 5 s", line)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a\nb", r"a\x0ab"),
        ("a\r\tb", r"a\x0d\x09b"),
        ("\x00\x1b[2J", r"\x00\x1b[2J"),
        ("\x7f\x85\x9b", r"\x7f\x85\x9b"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("é ü\xa0", "é ü\xa0"),
    ],
)
def test_control_characters_are_escaped(text: str, escaped: str) -> None:
    assert line_of("name %s!", text).endswith(f" some.logger: name {escaped}!")


def fail() -> None:
    """Raise an exception that has another behind it."""
    try:
        {b"": 1}[b"a unit's key"]
    except KeyError:
        raise ValueError("a unit's\ndata\x1b") from None


def fail_again() -> None:
    """The same, with the one behind it to be shown."""
    try:
        fail()
    except ValueError as first:
        raise RuntimeError("more\ndata") from first


def traceback_of(call: Callable[[], None]) -> str:
    """The line of an error with the exception that a call raises."""
    try:
        call()
    except Exception:
        return line_of("failed", exc_info=sys.exc_info())
    raise AssertionError


def test_a_traceback_is_on_the_same_line_and_without_words() -> None:
    line = traceback_of(fail)
    assert "\n" not in line
    assert " some.logger: failed | Traceback (most recent call last): |   File " in line
    assert 'raise ValueError("' in line
    assert line.endswith(" | ValueError")
    again = traceback_of(fail_again)
    assert " | ValueError | which led to: | Traceback " in again
    assert again.endswith(" | RuntimeError")


@pytest.fixture
def debugged() -> Iterator[None]:
    logger = logging.getLogger("some.logger")
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(logging.NOTSET)


@pytest.mark.usefixtures("debugged")
def test_the_words_of_an_exception_are_for_debugging() -> None:
    assert traceback_of(fail).endswith(" | ValueError: a unit's | data\\x1b")
    again = traceback_of(fail_again)
    assert " | ValueError: a unit's | data\\x1b | which led to: | " in again
    assert again.endswith(" | RuntimeError: more | data")


class Log:
    """What gets past the bound on a clock that the test sets."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._bound = logs.BoundedRate(lambda: self.time)

    def lines(
        self, number: int, text: str = "refused %d", level: int = logging.WARNING,
        name: str = "goordinate.cborrpc",
    ) -> list[str]:  # fmt: skip
        """The lines of so many records."""
        records = [
            logging.LogRecord(name, level, __file__, 1, text, (value,), None)
            for value in range(number)
        ]
        return [record.getMessage() for record in records if self._bound.filter(record)]


def test_an_event_has_few_lines_and_says_how_many_were_left_out() -> None:
    log = Log()
    few = [f"refused {number}" for number in range(logs.BURST)]
    assert log.lines(1000) == few
    log.time += logs.PERIOD / 2
    assert log.lines(1000) == []
    log.time += logs.PERIOD / 2
    left_out = 2000 - logs.BURST
    assert log.lines(1000) == [f"refused 0 (and {left_out} more like it before)", *few[1:]]
    log.time += logs.PERIOD
    assert log.lines(1) == [f"refused 0 (and {1000 - logs.BURST} more like it before)"]
    log.time += logs.PERIOD
    assert log.lines(1) == ["refused 0"]


def test_each_event_has_its_own_bound() -> None:
    log = Log()
    for options in ({}, {"text": "denied %d"}, {"name": "goordinate.jobserver"}):
        assert len(log.lines(50, **options)) == logs.BURST  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{"level": logging.INFO}, {"level": logging.DEBUG}, {"name": "goordinate.daemon"}]
)
def test_what_clients_do_not_cause_has_no_bound(options: dict[str, Any]) -> None:
    assert len(Log().lines(1000, **options)) == 1000


@pytest.fixture
def root_level() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.mark.usefixtures("root_level")
def test_a_change_of_levels_undoes_the_last_one() -> None:
    old = LogConfig(logging.INFO, {"test.a": logging.DEBUG, "test.b": logging.DEBUG})
    logs.change(LogConfig(None, {}), old)
    assert logging.getLogger().level == logging.INFO
    assert logging.getLogger("test.a").level == logging.DEBUG
    logs.change(old, LogConfig(logging.ERROR, {"test.b": logging.CRITICAL}))
    assert logging.getLogger().level == logging.ERROR
    assert logging.getLogger("test.a").level == logging.NOTSET
    assert logging.getLogger("test.b").level == logging.CRITICAL
