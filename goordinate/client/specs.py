"""The calls on work specs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any, Final

from . import answers
from .connection import Connection
from .constants import PAUSED, RUNNABLE
from .exceptions import ProgrammerError
from .flow import specs_of_flow
from .forms import as_bytes
from .strings import Name

logger = logging.getLogger(__name__)

_REMEMBERED: Final = 1000
"""Work specs whose form is remembered."""


class SpecCalls(Connection):
    """The calls on work specs; `TaskMaster` has them all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Whether Python 2 has written a spec, for what is new in it.
        self._python2_specs: dict[bytes, bool] = {}

    @classmethod
    def validate_work_spec(cls, work_spec: Mapping[Any, Any]) -> None:
        """Raises ProgrammerError if a work spec has no `name`, or a `min_gb` that is no number."""
        if not _field(work_spec, "name"):
            raise ProgrammerError(f"the work spec has no 'name': {work_spec!r}")
        if not isinstance(_field(work_spec, "min_gb", 0), Real):
            raise ProgrammerError(f"'min_gb' of a work spec is a number: {work_spec!r}")

    def set_work_spec(self, work_spec: Mapping[Any, Any]) -> bool:
        """Add a work spec, or replace the one of its name; its units stay.

        Returns True. Raises ProgrammerError as `validate_work_spec` does.
        """
        self.validate_work_spec(work_spec)
        name = _field(work_spec, "name")
        replaced = self._stored_spec(name) if self.rules.follows else None
        written = self.rules.write(dict(work_spec), replaced)
        done, message = self.client.call("set_work_spec", written)
        if message:
            logger.debug("set_work_spec: %s", self.rules.answer(message))
        self._remember(name, written)
        return bool(done)

    def get_work_spec(self, work_spec_name: Name) -> dict[str, Any] | None:
        """A work spec, or None if there is none of this name."""
        stored = self._stored_spec(work_spec_name)
        return None if stored is None else self.rules.read(stored)

    def list_work_specs(
        self, limit: int | None = None, start: Name | None = None
    ) -> tuple[list[tuple[str, dict[str, Any]]], str | None]:
        """A page of the work specs by name, as (name, work spec), and the name that starts the
        next page, None after the last.

        limit: how many at most, None for all. start: the name to begin with.
        """
        options: dict[str, Any] = {}
        if limit is not None:
            options["limit"] = limit
        if start is not None:
            options["start"] = self._send(start)
        page, following = self.client.call("list_work_specs", options, read=answers.SPECS)
        specs = [self.rules.read(item) for item in page]
        return [(_field(spec, "name"), spec) for spec in specs], self.rules.name(following)

    def iter_work_specs(
        self, limit: int | None = None, start: Name | None = None
    ) -> Iterator[dict[str, Any]]:
        """Every work spec by name, at most `limit`, from the name `start` on."""
        while limit is None or limit > 0:
            page, following = self.list_work_specs(limit, start)
            yield from (spec for _, spec in page)
            if following is None:
                return
            start = following
            if limit is not None:
                limit -= len(page)

    def del_work_spec(self, work_spec_name: Name) -> bool:
        """Delete a work spec with its units. False if there is none of this name."""
        self._python2_specs.pop(as_bytes(work_spec_name), None)
        return bool(self._answer("del_work_spec", self._send(work_spec_name)))

    def clear(self) -> int:
        """Delete every work spec with its units. Returns how many specs there were."""
        self._python2_specs.clear()
        return int(self.client.call("clear"))

    def pause_work_spec(self, work_spec_name: Name, paused: bool = True) -> bool:
        """Give out no more units of a spec, or do again. False if there is none of this name."""
        options = {"status": PAUSED if paused else RUNNABLE}
        return bool(self._answer("control_work_spec", self._send(work_spec_name), options))

    def add_flow(self, flow: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> None:
        """Set all work specs of a flow: a map whose values are work specs, or flows in turn.

        A map with `module` or `min_gb` is a work spec; its name is the keys above it, joined by
        ".". config: what each spec gets as `config`, its own laid over it (`overlay_config`);
        None: each keeps its own. Raises ProgrammerError, and sets none, if something is no map or
        `then` names no spec of the flow.
        """
        for spec in specs_of_flow(flow, config):
            self.set_work_spec(spec)

    def _stored_spec(self, work_spec_name: Name) -> bytes | None:
        """The encoding of a work spec, None if there is none of this name."""
        stored: bytes | None = self.client.call(
            "get_work_spec", self._send(work_spec_name), read=answers.SPEC
        )
        if stored is not None:
            self._remember(work_spec_name, stored)
        return stored

    def _is_python2_spec(self, work_spec_name: Name) -> bool:
        """Whether what is new in a work spec is written as Python 2 does."""
        known = self._python2_specs.get(as_bytes(work_spec_name))
        if known is None and self.rules.follows:
            stored = self._stored_spec(work_spec_name)
            known = stored is not None and self.rules.is_python2(stored)
        return bool(known)

    def _remember(self, work_spec_name: Name, stored: bytes) -> None:
        if len(self._python2_specs) >= _REMEMBERED:
            self._python2_specs.clear()
        self._python2_specs[as_bytes(work_spec_name)] = self.rules.is_python2(stored)

    def _answer(self, method: str, *params: object) -> Any:
        """The value in the answer (value, message) of a method; the message goes to the log."""
        value, message = self.client.call(method, *params)
        if message:
            logger.debug("%s: %s", method, self.rules.answer(message))
        return value


def _field(work_spec: Mapping[Any, Any], name: str, default: Any = None) -> Any:
    """A value of a work spec, whose keys are bytes if it was read with strings="exact"."""
    return work_spec.get(name, work_spec.get(name.encode(), default))
