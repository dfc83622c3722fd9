"""`coordinate.workunit_run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goordinate.client import WorkUnit


def run(work_unit: WorkUnit, work_spec_dict: Mapping[Any, Any]) -> Any:
    """`WorkUnit.run` with this work spec."""
    work_unit.spec = work_spec_dict
    return work_unit.run()


def run_module_func_for_work_unit(
    work_unit: WorkUnit, module_name: str, func_name: str, params: object = None
) -> Any:
    """`WorkUnit.run` with a function and its parameters, whatever the work spec says."""
    spec = {"module": module_name, "run_function": func_name, "run_params": params}
    return run(work_unit, {"name": work_unit.work_spec_name, **spec})
