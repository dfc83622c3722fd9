"""The log: one line an event."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
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


def test_a_traceback_is_on_the_same_line() -> None:
    try:
        raise ValueError("two\nlines\x1b")
    except ValueError:
        line = line_of("failed", exc_info=sys.exc_info())
    assert "\n" not in line
    assert " some.logger: failed | Traceback (most recent call last): |   File " in line
    assert line.endswith(" | ValueError: two | lines\\x1b")


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
