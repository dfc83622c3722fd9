"""The daemon's log: standard error, one line an event, with time, level and logger.

The rule here: an event is one line, whatever text clients send, so that no client can forge a line.
The lines of an event that clients cause are limited, so that no client can fill the disk. No line
above debug level shows the data of a work unit. Nothing that is logged makes the event loop wait:
all lines, those of unexpected exceptions too, go through one `LineWriter`.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from goordinate.config import LogConfig
from goordinate.log_writer import LineWriter

log = logging.getLogger(__name__)

BURST = 10
"""How many lines the same event may have in `PERIOD` seconds; more are counted, not logged."""

PERIOD = 10.0
"""Seconds."""

FLUSH_TIMEOUT = 1.0
"""Seconds for which the end of the daemon waits for lines to be written."""

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

    Of an exception, the line shows the traceback and the type. The message of an exception may
    quote what a client sent, so it is shown only if the logger is at debug level.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, without a line end."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        parts = [self.formatMessage(record)]
        if record.exc_info and record.exc_info[1] is not None:
            told = traceback.TracebackException.from_exception(record.exc_info[1])
            words = logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
            parts += _in_lines(told, words)
        return " | ".join(map(one_line, parts))


def _in_lines(told: traceback.TracebackException, words: bool) -> list[str]:
    """The lines of a traceback; the exceptions that led to it come first."""
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
    """Passes at most `BURST` records of the same event in `PERIOD` seconds. The first one after
    that tells how many were left out.

    Two records are of the same event if they have the same logger and the same text before values
    are put in. The daemon's own events are not limited, as clients do not cause them. Nor are
    records below WARNING: those that clients cause are for debugging.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        #: Event -> end of its period, lines passed in it, lines left out of it.
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


class LineHandler(logging.Handler):
    """Gives each record to a `LineWriter`, as bytes of one line."""

    def __init__(self, descriptor: int | None, encoding: str) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())
        self.addFilter(BoundedRate())
        self._encoding = encoding
        self._writer = LineWriter(descriptor, self._told)

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record; never waits."""
        try:
            text = self.format(record)
        except Exception as error:
            text = f"cannot log {record.msg!r:.200} of {record.name}: {type(error).__name__}"
        self._writer.put(self._line(text))

    def flush(self) -> None:
        """Wait for the lines to be written, for `FLUSH_TIMEOUT` seconds at most."""
        self._writer.flush(FLUSH_TIMEOUT)

    def counts(self) -> Mapping[str, int]:
        """What `server_stats` tells of the log."""
        return {"log_lines_dropped": self._writer.dropped}

    def _line(self, text: str) -> bytes:
        return one_line(text).encode(self._encoding, "backslashreplace") + b"\n"

    def _told(self, dropped: int) -> bytes:
        text = "%d lines dropped: the log is not read, or cannot be written"
        values = (log.name, logging.WARNING, __file__, 0, text, (dropped,), None)
        return self._line(self.format(logging.LogRecord(*values)))


def levels(in_file: LogConfig, *, level: int | None, steps: int, debug: Iterable[str]) -> LogConfig:
    """The levels of the file under those of the command line.

    `level` is `--log-level`, `steps` how many `-v` there are more than `-q`, each ten levels
    down, `debug` the loggers of `--debug`.  Without any of them, and in no file: INFO.
    """
    if level is None:
        level = logging.INFO if in_file.level is None else in_file.level
    level = min(max(level - 10 * steps, logging.NOTSET), logging.CRITICAL)
    return LogConfig(level, {**in_file.loggers, **dict.fromkeys(debug, logging.DEBUG)})


def set_up(wanted: LogConfig) -> LineHandler:
    """Start logging to standard error with these levels."""
    there = sys.stderr is not None
    handler = LineHandler(
        sys.stderr.fileno() if there else None, sys.stderr.encoding if there else "utf-8"
    )
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)
    sys.unraisablehook = lambda fault: unexpected(
        fault.object, fault.exc_type, fault.exc_value, fault.exc_traceback
    )
    change(LogConfig(None, {}), wanted)
    return handler


def unexpected(
    context: object,
    kind: type[BaseException],
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    """Log an exception that nobody handles; its context is where it was raised, as a greenlet.

    Python and gevent would print it to standard error themselves, and wait until it is read.
    """
    info: Any = (kind, error, traceback)
    log.error("an exception in %s that nobody handles", type(context).__name__, exc_info=info)


def change(current: LogConfig, wanted: LogConfig) -> None:
    """Replace the levels that `current` set by those of `wanted`."""
    for name in current.loggers.keys() - wanted.loggers.keys():
        logging.getLogger(name).setLevel(logging.NOTSET)
    if wanted.level is not None:
        logging.getLogger().setLevel(wanted.level)
    for name, level in wanted.loggers.items():
        logging.getLogger(name).setLevel(level)
