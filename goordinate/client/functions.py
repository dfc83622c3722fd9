"""The function that a work spec names: found, and called for a work unit."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from .exceptions import ProgrammerError
from .forms import as_text


@dataclass(frozen=True)
class RunFunction:
    """A function with the parameters that follow the work unit."""

    function: Callable[..., Any]
    arguments: Sequence[Any]
    keywords: Mapping[str, Any]

    def __call__(self, work_unit: object) -> Any:
        """Its result. A coroutine is run to its end, in an event loop of its own."""
        result = self.function(work_unit, *self.arguments, **self.keywords)
        return asyncio.run(result) if inspect.iscoroutine(result) else result


def run_function(spec: Mapping[Any, Any]) -> RunFunction:
    """What the keys `module`, `run_function` (which may have dots) and `run_params` of a work spec
    say. Raises ProgrammerError if they do not, and what importing and finding raise."""
    module = _text(spec, "module")
    path = _text(spec, "run_function")
    params = _field(spec, "run_params")
    if isinstance(params, str | bytes) or not isinstance(params, Mapping | Sequence | None):
        raise ProgrammerError(f"'run_params' of a work spec is a list or a map, not {params!r}")
    function = attrgetter(path)(importlib.import_module(module))
    if isinstance(params, Mapping):
        return RunFunction(function, (), {as_text(key): value for key, value in params.items()})
    return RunFunction(function, params or (), {})


def _field(spec: Mapping[Any, Any], name: str) -> Any:
    """A value of a work spec, whose keys are bytes if it was read with strings="exact"."""
    return spec.get(name, spec.get(name.encode()))


def _text(spec: Mapping[Any, Any], name: str) -> str:
    value = _field(spec, name)
    if not value or not isinstance(value, str | bytes):
        raise ProgrammerError(f"work spec {_field(spec, 'name')!r} has no {name!r} to run")
    return as_text(value)
