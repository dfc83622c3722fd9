"""Pieces of random calls: names in either form, keys, data, outputs, options."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

from goordinate.tests.differential.pair import Call

ASCII_KEYS: list[Any] = [b"a", "b", b"c1", "c2", b"D", "e e", b"", "zz"]
BINARY_KEYS: list[Any] = [b"a", b"b", b"\x00", b"\xff\xfe", b"k\xc3\xa9", b"", b"c" * 300, b"d"]
TEXT_KEYS: list[Any] = ["a", "b", "é", "日本", "", "e e", "\x7f", "d" * 30]

DATA: list[Any] = [
    1, -1, 2**40, 2**64, -(2**64) - 1, 0.5, -1e300, True, None, b"bytes", "téxt", b"\xff", b"", "",
    [], (), {}, [1, (2, [b"x"])], (b"t", {"k": b"v"}), {b"a": {"b": [None]}}, UUID(int=9),
]  # fmt: skip

#: Data of chained units. What cannot be asked whether it has `traceback` in it is not among it, as
#: the original cannot tell the status of such a unit.
CHAINED_DATA: list[Any] = [{}, {b"n": 1}, {"t": (1, b"x")}, [1, (2,)], (b"t",), b"bytes", "téxt"]


#: The names of the parameters of the methods that are also called by name.
PARAMETERS = {
    "set_work_spec": ["work_spec"],
    "get_work_spec": ["work_spec_name"],
    "control_work_spec": ["work_spec_name", "options"],
    "add_work_units": ["work_spec_name", "work_unit_key_vals"],
    "get_work_units": ["work_spec_name", "options"],
    "get_work_unit_status": ["work_spec_name", "work_unit_keys"],
    "prioritize_work_units": ["work_spec_name", "options"],
    "update_work_unit": ["work_spec_name", "work_unit_key", "options"],
    "del_work_units": ["work_spec_name", "options"],
    "get_work": ["worker_id", "options"],
    "get_worker_info": ["worker_id"],
}


class Pieces:
    """What random calls are made of; `lowest` is the lowest priority."""

    def __init__(self, seed: str, lowest: int) -> None:
        self.random = random.Random(seed)
        self.keys = self.random.choice([ASCII_KEYS, BINARY_KEYS, TEXT_KEYS])
        self._lowest = lowest

    def chance(self, share: float) -> bool:
        """True in this share of all cases."""
        return self.random.random() < share

    def form(self, name: str) -> bytes | str:
        """A name as bytes or as text."""
        return name if self.chance(0.4) else name.encode()

    def key(self) -> Any:
        """The key of a unit; of the ASCII ones, in either form."""
        key = self.random.choice(self.keys)
        if self.keys is ASCII_KEYS:
            return self.form(key if isinstance(key, str) else key.decode())
        return key

    def some_keys(self) -> Any:
        """A list or tuple of keys."""
        keys = [self.key() for _ in range(self.random.randint(0, 5))]
        return tuple(keys) if self.chance(0.3) else keys

    def priority(self) -> float:
        """A priority or an adjustment of one."""
        integer = self.random.randint(self._lowest, 9)
        return self.random.choice([self._lowest, 0, 1, 2, 0.5, 1.5, integer])

    def options(self, chances: dict[str, tuple[float, Any]]) -> dict[Any, Any]:
        """Some of these options, their names in either form."""
        return {
            self.form(name): value()
            for name, (share, value) in chances.items()
            if self.chance(share)
        }

    def by_name(self, call: Call) -> Call:
        """Now and then the same call with its parameters by name."""
        method, params = call
        if method in PARAMETERS and self.chance(0.1):
            names = PARAMETERS[method]
            if len(names) == len(params):
                return method, dict(zip(map(self.form, names), params, strict=True))
        return call

    def data(self, *, ranked: bool = False) -> dict[Any, Any]:
        """Data of a unit; `ranked`: each unit in its output has a priority of its own."""
        pick = self.random.choice
        data: dict[Any, Any] = {}
        for _ in range(self.random.randint(0, 2)):
            data[pick([b"x", "y", b"long name of a key", "é"])] = pick(DATA)
        if self.chance(0.2):
            data[self.form("traceback")] = pick([b"line\n", "text", (1, 2), None])
        if self.chance(0.5):
            data[self.form("output")] = self._output(ranked)
        return data

    def _output(self, ranked: bool) -> Any:
        """An output, in any of the shapes that the original takes."""
        kind = self.random.choice(["map", "list", "list", "none"])
        if kind == "none":
            return self.random.choice([[], {}, None, (), 0, b""])
        if kind == "map" and not ranked:
            keys = {k if isinstance(k, bytes) else k.encode(): k for k in self.some_keys()}
            return {key: self.random.choice(CHAINED_DATA) for key in keys.values()}
        items = [self._output_item(ranked) for _ in range(self.random.randint(0, 4))]
        return tuple(items) if self.chance(0.3) else items

    def _output_item(self, ranked: bool) -> Any:
        key = self.key()
        meta = {self.form("priority"): self.priority()}
        shapes: list[Any] = [
            (key, {b"m": 1}, meta),
            (key, {b"f": 2}, meta, self.priority()),
        ]
        if not ranked:
            # Not without a priority in the third item: the original would write one into it.
            shapes += [key, key, (key, {b"n": 3}), (key, [])]
        shape = self.random.choice(shapes)
        return list(shape) if isinstance(shape, tuple) and self.chance(0.4) else shape
