"""Work spec dictionary -> control values -> what the spec may give now.

All that the server takes from a dictionary is in the tables here. Every other key is the client's
own. A value of the wrong type or out of range is an error that names the key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from goordinate.cborrpc.decode import MAX_DEPTH, SMALL, loads, skip_item
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.heads import BYTES, MAP, TEXT, describe
from goordinate.coordinate.errors import (
    BadWorkSpec,
    BadWorkSpecName,
    CannotBecomeContinuous,
    NoWorkSpecName,
)
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.numeric import is_number
from goordinate.coordinate.unit_data import major_type, pairs

RUNNABLE = 1
PAUSED = 2

DEFAULT_WEIGHT = 20


@dataclass(frozen=True, slots=True)
class Control:
    """The control values of a work spec (RPC `get_work_spec_meta`, `control_work_spec`)."""

    #: RUNNABLE or PAUSED.
    status: int = RUNNABLE
    #: Spec-wide priority; the highest always goes first.
    priority: float = 0
    #: Share of the workers among specs that compete; at least 1.
    weight: int = DEFAULT_WEIGHT
    #: Whether units are made up when there are none.
    continuous: bool = False
    #: Whether `continuous` may be switched on.
    can_be_continuous: bool = False
    #: Seconds between two made-up units; None: no pause.
    interval: float | None = None
    #: At most this many units pending at once; None: no limit.
    max_running: int | None = None
    #: At most this many units an answer of get_work; None: no limit.
    max_getwork: int | None = None
    #: Leases of one unit that may run out before it fails; None: no limit.
    max_retries: int | None = None
    #: The work spec that gets the output; None: none.
    then: Name | None = None
    #: Whether work in the next spec goes before work in this one.
    then_preempts: bool = True
    #: The runtime its workers must have; b"": none named.
    runtime: bytes = b""


#: What a spec has to offer: whether units are available, the priority of the unit at the head of
#: the queue (0: there is none), how many units are pending.
Offer = tuple[bool, float, int]


@dataclass(frozen=True, slots=True)
class SpecRecord:
    """What is kept of a work spec besides its units."""

    #: The name, in the form in which it was first stored.
    name: Name
    #: The dictionary, as it came (CBOR).
    data: bytes
    control: Control
    #: When the last unit was made up (moment of the backend's clock); None: none was.
    made_up: float | None = None
    #: (state, number of archived units in that state), no zeros.
    archived: tuple[tuple[int, int], ...] = ()


def offer(record: SpecRecord, head: float | None, pending: int, now: float) -> Offer | None:
    """What a spec offers: `head` is the priority of the unit that runs next (None: no unit is
    available). None: nothing."""
    control = record.control
    if control.status == PAUSED:
        return None
    if control.max_running is not None and pending >= control.max_running:
        return None
    if head is not None:
        return True, head, pending
    if makes_up(record, now):
        return False, 0, pending
    return None


def next_made_up(record: SpecRecord) -> float | None:
    """When the next unit may be made up: the interval counts from the last one, whenever it was
    set. None: at any time."""
    interval = record.control.interval
    if record.made_up is None or interval is None:
        return None
    return record.made_up + interval


def makes_up(record: SpecRecord, now: float) -> bool:
    """Whether a spec without available units makes one up now."""
    if not record.control.continuous:
        return False
    when = next_made_up(record)
    return when is None or when <= now


def how_many(control: Control, wanted: int, pending: int, available: int) -> int:
    """How many of its available units a spec gives to one request for `wanted`."""
    if control.max_getwork is not None:
        wanted = min(wanted, max(1, control.max_getwork))
    if control.max_running is not None:
        wanted = min(wanted, control.max_running - pending)
    return min(wanted, available)


class Unread:
    """A value that the server does not read: too many bytes, or without a form in Python."""


class _Wrong(Exception):
    """A value that does not fit; the argument says what was expected."""


def _truth(value: object) -> bool:
    return bool(value)


def _finite(value: object, expected: str) -> float:
    if not is_number(value):
        raise _Wrong(expected)
    return value


def _number(value: object) -> float:
    return _finite(value, "a number")


def _whole(value: object) -> int:
    """An int, as Python 2's int() takes it from a number or a numeric string."""
    if isinstance(value, bytes | str):
        try:
            return int(value)
        except ValueError:
            raise _Wrong("an integer") from None
    return int(_finite(value, "an integer"))


def _limit(value: object) -> int | None:
    """A limit on a number of things; None: there is none."""
    if value is None:
        return None
    expected = "an integer, 0 or more"
    try:
        limit = _whole(value)
    except _Wrong:
        raise _Wrong(expected) from None
    if limit < 0:
        raise _Wrong(expected)
    return limit


def _weight(value: object) -> int:
    return max(1, _whole(value))


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    expected = "a number of seconds, 0 or more"
    if isinstance(value, bytes | str):
        try:
            value = float(value)
        except ValueError:
            raise _Wrong(expected) from None
    seconds = _finite(value, expected)
    if seconds < 0:
        raise _Wrong(expected)
    return seconds


def _next_spec(value: object) -> Name | None:
    if value is None or (isinstance(value, bytes | str) and not value):
        return None
    if not isinstance(value, bytes | str):
        raise _Wrong("the name of a work spec")
    return value


def _runtime(value: object) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, bytes | str):
        raise _Wrong("a string")
    return identity(value)


def _status(value: object) -> int:
    if value not in (RUNNABLE, PAUSED) or isinstance(value, bool):
        raise _Wrong(f"{RUNNABLE} (runnable) or {PAUSED} (paused)")
    return RUNNABLE if value == RUNNABLE else PAUSED


#: key of the dictionary -> (control value, how it is read).
DICTIONARY_KEYS: dict[bytes, tuple[str, Callable[[object], object]]] = {
    b"continuous": ("continuous", _truth),
    b"interval": ("interval", _seconds),
    b"max_running": ("max_running", _limit),
    b"max_getwork": ("max_getwork", _limit),
    b"max_retries": ("max_retries", _limit),
    b"then": ("then", _next_spec),
    b"then_preempts": ("then_preempts", _truth),
    b"priority": ("priority", _number),
    b"runtime": ("runtime", _runtime),
}

#: All keys that are read here.
KEYS = {b"name", b"disabled", b"weight", b"nice", *DICTIONARY_KEYS}

#: control value that may be changed while the spec exists -> how it is read.
CHANGEABLE: dict[str, Callable[[object], object]] = {
    "status": _status,
    "continuous": _truth,
    "interval": _seconds,
    "max_running": _limit,
    "max_getwork": _limit,
    "max_retries": _limit,
    "weight": _weight,
    "priority": _number,
}


def read_dictionary(data: bytes) -> tuple[Name, Control]:
    """The name and the control values that a work spec dictionary (CBOR) gives.

    Raises NoWorkSpecName, BadWorkSpecName, BadWorkSpec, and DecodeError for what is no CBOR.
    """
    end = skip_item(data, 0, MAX_DEPTH)
    if end < len(data):
        raise DecodeError("more bytes after the item", end)
    if major_type(data) != MAP:
        raise BadWorkSpec("", "work_spec", "a map", describe(data, 0))
    given = {key: data[start:end] for key, _, start, end in pairs(data) if key in KEYS}

    def get(key: bytes) -> object:
        value = given.get(key)
        if value is None:
            return None
        # A string takes no more memory than its encoding, and a name may be long.
        if len(value) > SMALL and major_type(value) not in (BYTES, TEXT):
            return Unread()
        try:
            return loads(value)
        except DecodeError:
            return Unread()

    name = get(b"name")
    if name is None or (isinstance(name, bytes | str) and not name):
        raise NoWorkSpecName
    if not isinstance(name, bytes | str):
        raise BadWorkSpecName(name)

    values: dict[str, object] = {}

    def read(key: bytes, field: str, reader: Callable[[object], object]) -> None:
        try:
            values[field] = reader(get(key))
        except _Wrong as wrong:
            raise BadWorkSpec(name, key.decode(), str(wrong), get(key)) from None

    for key, (field, reader) in DICTIONARY_KEYS.items():
        if key in given and (key != b"priority" or get(key) is not None):
            read(key, field, reader)
    if get(b"disabled"):
        values["status"] = PAUSED
    if get(b"weight") is not None:
        read(b"weight", "weight", _weight)
    elif b"nice" in given:
        read(b"nice", "weight", lambda nice: max(1, DEFAULT_WEIGHT - _whole(nice)))
    values["can_be_continuous"] = values.get("continuous", False)
    return name, Control(**values)  # type: ignore[arg-type]


def change_control(name: Name, control: Control, changes: Mapping[str, object]) -> Control:
    """`control` with some values changed (RPC `control_work_spec`).

    Raises BadWorkSpec for an unknown or ill-typed value and CannotBecomeContinuous.
    """
    values: dict[str, object] = {}
    for field, value in changes.items():
        reader = CHANGEABLE.get(field)
        if reader is None:
            raise BadWorkSpec(name, field, "one of " + ", ".join(sorted(CHANGEABLE)), value)
        try:
            values[field] = reader(value)
        except _Wrong as wrong:
            raise BadWorkSpec(name, field, str(wrong), value) from None
    if values.get("continuous") and not control.can_be_continuous:
        raise CannotBecomeContinuous(name)
    return replace(control, **values)  # type: ignore[arg-type]
