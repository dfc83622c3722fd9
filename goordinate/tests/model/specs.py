"""The model's RPCs of work specs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from goordinate.tests.model.reading import Name, fields, key_of, number, whole
from goordinate.tests.model.world import DONE, MESSAGE, PAUSED, RUNNABLE, Control, Spec, World

#: How the values are read that can be changed while the spec exists.
READ: dict[bytes, Callable[[Any], Any]] = {
    b"status": int,
    b"continuous": bool,
    b"interval": lambda value: None if value is None else number(value),
    b"max_running": lambda value: None if value is None else whole(value),
    b"weight": lambda value: max(1, whole(value)),
}


def control_of(dictionary: dict[Any, Any]) -> Control:
    """The control values that a dictionary gives."""
    given = fields(dictionary)
    weight = given.get(b"weight")
    then = given.get(b"then")
    limits = {
        key.decode(): None if given.get(key) is None else whole(given[key])
        for key in (b"max_running", b"max_getwork", b"max_retries")
    }
    return Control(
        status=PAUSED if given.get(b"disabled") else RUNNABLE,
        continuous=bool(given.get(b"continuous")),
        can_be_continuous=bool(given.get(b"continuous")),
        interval=READ[b"interval"](given.get(b"interval")),
        weight=READ[b"weight"](20 - whole(given.get(b"nice", 0)) if weight is None else weight),
        then=key_of(then) if then else None,
        then_preempts=bool(given.get(b"then_preempts", True)),
        priority=given.get(b"priority") or 0,
        runtime=key_of(given.get(b"runtime") or b""),
        **limits,
    )


class SpecRules(World):
    """Work specs."""

    def set_work_spec(self, dictionary: dict[Any, Any]) -> Any:
        name, control = fields(dictionary)[b"name"], control_of(dictionary)
        spec = self.specs.setdefault(key_of(name), Spec(name, dictionary, control))
        spec.dictionary, spec.control = dictionary, control
        return DONE

    def get_work_spec(self, name: Name) -> Any:
        spec = self.find(name)
        return None if spec is None else spec.dictionary

    def get_work_spec_meta(self, name: Name) -> Any:
        spec = self.find(name)
        if spec is None:
            return None, MESSAGE
        return {key: getattr(spec.control, key.decode()) for key in READ}, None

    def control_work_spec(self, name: Name, options: dict[Any, Any]) -> Any:
        spec, given = self.find(name), fields(options)
        if spec is None or (given.get(b"continuous") and not spec.control.can_be_continuous):
            return False, MESSAGE
        # Null takes an interval or a limit away.
        changes = {key.decode(): READ[key](given[key]) for key in READ if key in given}
        spec.control = replace(spec.control, **changes)
        return DONE

    def list_work_specs(self, options: dict[Any, Any]) -> Any:
        given = fields(options)
        start, limit = given.get(b"start"), given.get(b"limit")
        names = sorted(key for key in self.specs if start is None or key >= key_of(start))
        page = names if limit is None else names[: max(0, whole(limit))]
        after = names[len(page) :] if page else []  # a page of none is the last
        following = self.specs[after[0]].name if after else None
        return [self.specs[key].dictionary for key in page], following

    def del_work_spec(self, name: Name) -> Any:
        if self.find(name) is None:
            return False, MESSAGE
        del self.specs[key_of(name)]
        return DONE

    def clear(self) -> Any:
        count = len(self.specs)
        self.specs = {}
        return count
