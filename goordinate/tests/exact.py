"""Equality that tells bytes from text, tuples from lists, and booleans, integers and floats apart.

Python 2 clients see these differences, and `==` does not see all of them.
"""

from __future__ import annotations


def difference(actual: object, expected: object, where: str = "", tolerance: float = 0.0) -> str:
    """Where and how two decoded values differ, types included; "" if they do not.

    Floats may be `tolerance` apart. The order of a map's keys does not count.
    """
    if type(actual) is not type(expected):
        return f"{where}: got {actual!r}, a {type(actual).__name__}, expected {expected!r}"
    if isinstance(actual, dict) and isinstance(expected, dict):
        keys, wanted = _typed(actual), _typed(expected)
        if keys != wanted:
            return f"{where}: got the keys {sorted(keys)}, expected {sorted(wanted)}"
        for key, value in expected.items():
            if fault := difference(actual[key], value, f"{where}[{key!r}]", tolerance):
                return fault
    elif isinstance(actual, list | tuple) and isinstance(expected, list | tuple):
        if len(actual) != len(expected):
            return f"{where}: got {actual!r}, expected {expected!r}"
        for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
            if fault := difference(one, other, f"{where}[{index}]", tolerance):
                return fault
    elif isinstance(actual, float) and isinstance(expected, float):
        if actual != expected and not abs(actual - expected) <= tolerance:
            return f"{where}: got {actual!r}, expected {expected!r}"
    elif actual != expected:
        return f"{where}: got {actual!r}, expected {expected!r}"
    return ""


def _typed(keys: dict[object, object]) -> set[tuple[str, str]]:
    return {(type(key).__name__, repr(key)) for key in keys}


def assert_exact(actual: object, expected: object) -> None:
    """Fail unless the two are equal, types included."""
    fault = difference(actual, expected, "answer")
    assert not fault, fault
