"""The key `profile` of the configuration: cProfile for each unit of some work specs."""

from __future__ import annotations

import contextlib
import cProfile
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import quote

from goordinate.client import ProgrammerError, WorkUnit

logger = logging.getLogger(__name__)


class Profiles:
    """Profiles units. settings: None, or a map: `work_specs`, the names of the work specs, and
    `destination`, the file for a unit, with `%(work_spec_name)s`, `%(work_unit_key)s`, `%(ymd)s`
    and `%(hms)s` in it. Without one of the two no unit is profiled.

    Raises ProgrammerError for a destination that cannot be filled in.
    """

    def __init__(self, settings: Mapping[str, Any] | None) -> None:
        settings = settings or {}
        self._specs = frozenset(settings.get("work_specs") or ())
        self._destination: str = settings.get("destination") or ""
        try:
            self._file("spec", "key")
        except (KeyError, ValueError, TypeError) as fault:
            raise ProgrammerError(
                f"profile: 'destination' cannot be filled in: {fault!r}"
            ) from None

    def of(self, unit: WorkUnit) -> AbstractContextManager[None]:
        """A context in which this unit is run."""
        if self._destination and unit.work_spec_name in self._specs:
            return self._profiled(unit)
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def _profiled(self, unit: WorkUnit) -> Iterator[None]:
        file = self._file(unit.work_spec_name, unit.key)
        profile = cProfile.Profile()
        profile.enable()
        try:
            yield
        finally:
            profile.disable()
            try:
                profile.dump_stats(file)
            except OSError as fault:
                logger.error("the profile of %r is not written: %s", unit.key, fault)

    def _file(self, work_spec_name: str, key: str) -> str:
        now = time.localtime()
        return self._destination % {
            "work_spec_name": _in_a_file_name(work_spec_name),
            "work_unit_key": _in_a_file_name(key),
            "ymd": time.strftime("%Y%m%d", now),
            "hms": time.strftime("%H%M%S", now),
        }


def _in_a_file_name(text: str) -> str:
    """A key may have slashes, and bytes that are no text."""
    return quote(text, safe=" ", errors="surrogateescape")
