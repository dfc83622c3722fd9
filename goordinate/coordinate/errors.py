"""What can go wrong in an operation on the queue.

Every error carries its facts as attributes and says them in its message; nothing here is raised
for a fault of the program itself.
"""

from __future__ import annotations

from goordinate.coordinate.names import Name, printable


def _brief(value: object) -> str:
    """A value that a client sent, for a message: never long, whatever it is."""
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if value.bit_length() < 128 else "an enormous integer"
    if isinstance(value, bytes | str):
        return printable(value)
    words = {"dict": "a map", "list": "a list", "tuple": "a tuple", "Unread": "something else"}
    kind = type(value).__name__
    return words.get(kind, kind)


class CoordinateError(Exception):
    """The base of all errors of the object API."""


class NoWorkSpecName(CoordinateError):
    """A work spec dictionary has no `name`, or an empty one."""

    def __init__(self) -> None:
        super().__init__("the work spec has no 'name'")


class BadWorkSpecName(CoordinateError):
    """The `name` of a work spec dictionary is no string."""

    def __init__(self, value: object) -> None:
        super().__init__(f"'name' of a work spec: expected a string, got {_brief(value)}")
        self.value = value


class BadWorkSpec(CoordinateError):
    """A value of a work spec dictionary, or of its control values, has the wrong type or range."""

    def __init__(self, work_spec: Name, key: str, expected: str, value: object) -> None:
        super().__init__(
            f"work_spec {printable(work_spec)}: {key}: expected {expected}, got {_brief(value)}"
        )
        self.work_spec = work_spec
        self.key = key
        self.expected = expected
        self.value = value


class ChangedName(CoordinateError):
    """New data for a work spec names another one."""

    def __init__(self, old: Name, new: Name) -> None:
        super().__init__(f"work_spec {printable(old)} cannot become {printable(new)}")
        self.old = old
        self.new = new


class CannotBecomeContinuous(CoordinateError):
    """A work spec that was not defined as continuous was asked to become so."""

    def __init__(self, name: Name) -> None:
        super().__init__(f"work_spec {printable(name)} was not defined as continuous")
        self.name = name


class NoSuchWorkSpec(CoordinateError):
    """No work spec has this name."""

    def __init__(self, name: Name) -> None:
        super().__init__(f"no such work_spec {printable(name)}")
        self.name = name


class NoSuchWorkUnit(CoordinateError):
    """No work unit of the spec has this name."""

    def __init__(self, name: Name) -> None:
        super().__init__(f"no such work unit {printable(name)}")
        self.name = name


class HeldByAnother(CoordinateError):
    """The work unit is pending with another worker than the caller says."""

    def __init__(self, name: Name, holder: Name) -> None:
        super().__init__(f"work unit {printable(name)} is held by {printable(holder)}")
        self.name = name
        self.holder = holder


class NoSuchWorker(CoordinateError):
    """No live worker has this name."""

    def __init__(self, name: Name) -> None:
        super().__init__(f"no such worker {printable(name)}")
        self.name = name


class NoSuchAttempt(CoordinateError):
    """The attempt is no longer on record."""

    def __init__(self) -> None:
        super().__init__("no such attempt: its record is gone")


class LostLease(CoordinateError):
    """The attempt no longer holds its work unit."""

    def __init__(self) -> None:
        super().__init__("the lease of this attempt is lost")


class NotPending(CoordinateError):
    """The attempt has ended, so the operation came too late."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the attempt is {status}, not pending")
        self.status = status


class Gone(CoordinateError):
    """The namespace of this object has been destroyed."""

    def __init__(self) -> None:
        super().__init__("the namespace has been destroyed")


class BadPriority(CoordinateError):
    """The sum of a priority and its adjustment is no number that a float can hold."""

    def __init__(self, name: Name) -> None:
        super().__init__(f"work unit {printable(name)}: the adjusted priority is too large")
        self.name = name


class BadOutput(CoordinateError):
    """The `output` of a finished work unit cannot become work units of the next spec."""
