"""`coordinate.exceptions`."""

from goordinate.client.exceptions import (
    CoordinateException,
    LostLease,
    NoSuchWorkSpecError,
    NoSuchWorkUnitError,
    ProgrammerError,
)

__all__ = [
    "CoordinateException",
    "LostLease",
    "NoSuchWorkSpecError",
    "NoSuchWorkUnitError",
    "ProgrammerError",
]
