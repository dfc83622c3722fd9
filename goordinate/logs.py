"""The daemon's log: standard error, one line an event, with time, level and logger.

The rule here: whatever clients do, an event stays one line, so that none can forge a second one;
the same event has few lines a second, so that none can fill the disk; and no line above debug
level shows the data of a work unit.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterable

from goordinate.config import LogConfig

BURST = 10
"""So many lines of the same event there may be in each `PERIOD`; further ones are counted."""

PERIOD = 10.0
"""Seconds."""

# C0 and C1 control characters, and the two line ends of Unicode.
_CONTROLS = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
}


def one_line(text: str) -> str:
    """The text with its control characters, line ends among them, written as escapes."""
    return text.translate(_CONTROLS)


class LineFormatter(logging.Formatter):
    """One line a record; the lines of a traceback are joined by ` | `.

    Of an exception the line has the place and the type. Its words may quote what a client sent,
    so they are there only if the logger is at debug level.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The whole record."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        parts = [self.formatMessage(record)]
        if record.exc_info and record.exc_info[1] is not None:
            told = traceback.TracebackException.from_exception(record.exc_info[1])
            words = logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
            parts += _in_lines(told, words)
        return " | ".join(map(one_line, parts))


def _in_lines(told: traceback.TracebackException, words: bool) -> list[str]:
    """The lines of a traceback, those of the exceptions behind it first."""
    lines: list[str] = []
    behind = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    if behind is not None:
        lines = [*_in_lines(behind, words), "which led to:"]
    lines.append("Traceback (most recent call last):")
    for entry in told.stack.format():
        lines += entry.rstrip("\n").split("\n")
    last = "".join(told.format_exception_only()).rstrip("\n").split("\n")
    return [*lines, *(last if words else [last[0].partition(":")[0]])]


class BoundedRate(logging.Filter):
    """Lets through `BURST` records a `PERIOD` of each event that clients can cause; the first one
    after that tells how many were left out.

    An event is a line of the program: a logger and a text before its values are put in. The
    daemon's own events are not bounded, nor is what is below WARNING, where there is no line that
    clients cause but for debugging.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        #: Event -> when its period ends, lines in it, lines left out of it.
        self._periods: dict[tuple[str, str], tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        if record.levelno < logging.WARNING or record.name == "goordinate.daemon":
            return True
        event, now = (record.name, str(record.msg)), self._now()
        ends, lines, left_out = self._periods.get(event, (0.0, 0, 0))
        if now < ends and lines >= BURST:
            self._periods[event] = ends, lines, left_out + 1
            return False
        if now < ends:
            self._periods[event] = ends, lines + 1, left_out
            return True
        self._periods[event] = now + PERIOD, 1, 0
        if left_out:
            record.msg = f"{record.msg} (and {left_out} more like it before)"
        return True


def levels(in_file: LogConfig, *, level: int | None, steps: int, debug: Iterable[str]) -> LogConfig:
    """The levels of the file under those of the command line.

    `level` is `--log-level`, `steps` how many `-v` there are more than `-q`, each ten levels
    down, `debug` the loggers of `--debug`.  Without any of them, and in no file: INFO.
    """
    if level is None:
        level = logging.INFO if in_file.level is None else in_file.level
    level = min(max(level - 10 * steps, logging.NOTSET), logging.CRITICAL)
    return LogConfig(level, {**in_file.loggers, **dict.fromkeys(debug, logging.DEBUG)})


def set_up(wanted: LogConfig) -> None:
    """Start logging to standard error with these levels."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    handler.addFilter(BoundedRate())
    logging.getLogger().addHandler(handler)
    change(LogConfig(None, {}), wanted)


def change(current: LogConfig, wanted: LogConfig) -> None:
    """Replace the levels that `current` set by those of `wanted`."""
    for name in current.loggers.keys() - wanted.loggers.keys():
        logging.getLogger(name).setLevel(logging.NOTSET)
    if wanted.level is not None:
        logging.getLogger().setLevel(wanted.level)
    for name, level in wanted.loggers.items():
        logging.getLogger(name).setLevel(level)
