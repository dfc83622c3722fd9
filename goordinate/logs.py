"""The daemon's log: standard error, one line an event, with time, level and logger.

The rule here: whatever an event says, it stays one line, so no client can forge a second one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from goordinate.config import LogConfig

# C0 and C1 control characters, and the two line ends of Unicode.
_CONTROLS = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
}


def one_line(text: str) -> str:
    """The text with its control characters, line ends among them, written as escapes."""
    return text.translate(_CONTROLS)


class LineFormatter(logging.Formatter):
    """One line a record; the lines of a traceback are joined by ` | `."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record without its traceback."""
        return one_line(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """The whole record: the only line ends left to join are those of the traceback."""
        return " | ".join(one_line(line) for line in super().format(record).split("\n"))


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
