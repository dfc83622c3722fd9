"""Flows: nested maps of work specs, for `TaskMaster.add_flow`; and how configurations overlay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .exceptions import ProgrammerError


def overlay_config(base: Any, overlay: Any) -> Any:
    """`base` with the values of `overlay` laid over it, maps within maps too.

    None in `overlay` takes a key out. If either is no map, the result is `overlay`. Neither is
    changed.
    """
    if not isinstance(base, Mapping) or not isinstance(overlay, Mapping):
        return overlay
    merged = {key: value for key, value in base.items() if key not in overlay}
    for key, value in overlay.items():
        if value is not None or base.get(key, key) is None:
            merged[key] = overlay_config(base[key], value) if key in base else value
    return merged


def specs_of_flow(
    flow: Mapping[str, Any], config: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The work specs of a flow, as copies with their names.

    A map with `module` or `min_gb` is a work spec, any other a group; names are joined by ".".
    Each spec gets `config` with its own laid over it; without `config` it keeps its own.
    Raises ProgrammerError if something is no map, or if `then` names no spec of the flow.
    """
    specs: dict[str, dict[str, Any]] = {}
    waiting = list(flow.items())
    while waiting:
        name, value = waiting.pop(0)
        if not isinstance(value, Mapping):
            raise ProgrammerError(f"flow: {name}: expected a work spec or a map of them")
        if "module" in value or "min_gb" in value:
            spec = {**value, "name": name}
            if config is not None:
                own = spec.get("config")
                spec["config"] = dict(config) if own is None else overlay_config(config, own)
            specs[name] = spec
        else:
            waiting += [(f"{name}.{inner}", item) for inner, item in value.items()]
    for name, spec in specs.items():
        if "then" in spec and spec["then"] not in specs:
            raise ProgrammerError(f"flow: {name}: then names no spec of the flow: {spec['then']}")
    return list(specs.values())
