"""A finished unit's output -> the units to add to the next work spec.

`output` is a map of key -> data, or a list of keys, of (key, data) and of (key, data, meta[,
priority]), as lists or tuples, mixed freely. The data of the new units is cut out of the output
as it stands, never decoded. All or nothing: an output with one bad item adds no unit.
"""

from __future__ import annotations

from goordinate.cborrpc.decode import MAX_DEPTH, loads, read_list
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.heads import ARRAY, BYTES, MAP, TAG, TEXT
from goordinate.coordinate.errors import BadOutput
from goordinate.coordinate.new_units import NewWorkUnit, new_unit_reader, read_name
from goordinate.coordinate.unit_data import EMPTY_MAP, field, major_type, pairs

_read_new_unit = new_unit_reader(None, MAX_DEPTH)  # a part of data that was checked


def chained_units(data: bytes) -> dict[bytes, NewWorkUnit]:
    """The units that the data of a finished unit asks for, by key; none if it has no output.

    Units without a priority of their own have the priority None; of two with one key the last
    counts. Raises BadOutput for an output of another shape.
    """
    output = field(data, b"output")
    if output is None:
        return {}
    # By key at once: a key of one byte, a million times, would be a million units to hold.
    units: dict[bytes, NewWorkUnit] = {}

    def keep(buf: bytes, pos: int, depth: int) -> tuple[None, int]:
        unit, pos = _read_item(buf, pos, depth)
        units[unit.key] = unit
        return None, pos

    try:
        kind = major_type(output)
        if kind == MAP:
            for _, *pair in pairs(output):
                unit = _mapped(output, *pair)
                units[unit.key] = unit
            return units
        if kind in (ARRAY, TAG):
            read_list(output, 0, MAX_DEPTH, keep)
            return units
        if not loads(output):
            return {}  # null, false, 0, '': no output
    except DecodeError as error:
        raise BadOutput(f"'output': {error}") from None
    raise BadOutput("'output': expected a map or a list")


def inheriting(units: dict[bytes, NewWorkUnit], priority: float) -> dict[bytes, NewWorkUnit]:
    """The units, those without a priority of their own with that of the unit they come from."""
    if not priority:
        return units
    return {
        key: unit if unit.priority is not None else unit._replace(priority=priority)
        for key, unit in units.items()
    }


def _mapped(output: bytes, at: int, start: int, end: int) -> NewWorkUnit:
    (key, name), _ = read_name(output, at)
    return NewWorkUnit(key, name + output[start:end])


def _read_item(buf: bytes, pos: int, depth: int) -> tuple[NewWorkUnit, int]:
    if major_type(buf, pos) in (BYTES, TEXT):
        (key, name), pos = read_name(buf, pos)
        return NewWorkUnit(key, name + EMPTY_MAP), pos
    return _read_new_unit(buf, pos, depth)
