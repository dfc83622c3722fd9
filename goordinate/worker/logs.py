"""The log of a worker: each line names the unit that runs, if one does.

A program that has set up handlers of its own, in a module of --preload, keeps them.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import time
from typing import Any, Final

from goordinate.client import WorkUnit

from .config import WorkerConfig

_running: WorkUnit | None = None


def set_running(unit: WorkUnit | None) -> None:
    """The unit that runs in this process from now on; None for none."""
    global _running
    _running = unit


class _OfTheUnit(logging.Filter):
    """Gives each record the attributes `spec` and `key`."""

    def filter(self, record: logging.LogRecord) -> bool:
        unit = _running
        record.__dict__["spec"] = None if unit is None else unit.work_spec_name
        record.__dict__["key"] = None if unit is None else unit.key
        return True


class TextFormatter(logging.Formatter):
    """Time, level, process, unit, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, with a traceback below it if there is one."""
        unit = vars(record)
        record.unit = f" {unit['spec']}:{unit['key']!r}" if unit.get("spec") else ""
        return super().format(record)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s [%(process)d]%(unit)s %(name)s: %(message)s")


class JsonFormatter(logging.Formatter):
    """One JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        fields: dict[str, Any] = {
            "time": _moment(record.created),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "spec": getattr(record, "spec", None),
            "key": getattr(record, "key", None),
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def _moment(seconds: float) -> str:
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{int(seconds % 1 * 1000):03d}Z"


_FORMATTERS: Final = {"text": TextFormatter, "json": JsonFormatter}


def set_up(config: WorkerConfig) -> None:
    """Log as the configuration says, unless the program has handlers already."""
    root = logging.getLogger()
    if root.handlers:
        for theirs in root.handlers:
            theirs.addFilter(_OfTheUnit())
        return
    handler: logging.Handler
    if config.log_file:
        # Opens the file again when it was moved away.
        handler = logging.handlers.WatchedFileHandler(config.log_file, encoding="utf-8")
    else:
        handler = logging.StreamHandler()
    handler.setFormatter(_FORMATTERS[config.log_format]())
    handler.addFilter(_OfTheUnit())
    root.addHandler(handler)
    root.setLevel(config.log_level)
