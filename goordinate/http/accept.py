"""The Accept header: which of the types on offer a client wants."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from .messages import HttpError

_RANGE: Final = re.compile(r"\s*([!#$%&'*+.^_`|~\w-]+)/([!#$%&'*+.^_`|~\w-]+)\s*", re.ASCII)
_WEIGHT: Final = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


class _Wanted(NamedTuple):
    kind: str
    subtype: str
    weight: float


def _read(header: str) -> list[_Wanted]:
    wanted = []
    for part in header.split(","):
        if not part.strip():
            continue
        kind, *parameters = part.split(";")
        match = _RANGE.fullmatch(kind)
        if match is None or (match[1] == "*" and match[2] != "*"):
            raise HttpError(400, "the Accept header is malformed")
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                if not _WEIGHT.fullmatch(value.strip()):
                    raise HttpError(400, "the Accept header has a q that is not 0 to 1")
                weight = float(value.strip())
        wanted.append(_Wanted(match[1].lower(), match[2].lower(), weight))
    return wanted


def choose(
    accept: bytes | None, offered: Sequence[str], wildcards: Mapping[str, str] | None = None
) -> str:
    """The type of the answer.

    The one with the highest q, a named one before a wildcard, and at equal q the first that the
    client names.  wildcards: what "text/*" stands for, if not the first on offer of that kind.
    None of them: the first on offer.  Raises HttpError: 406, or 400 for a malformed header.
    """
    if accept is None or not accept.strip() or accept.strip() == b"*/*":
        return offered[0]
    wanted = _read(accept.decode("latin-1"))
    if not wanted:
        return offered[0]
    refused = {f"{kind}/{subtype}" for kind, subtype, weight in wanted if not weight}
    best: tuple[float, int, str] | None = None
    for kind, subtype, weight in wanted:
        if not weight:
            continue
        for found in _meant(kind, subtype, offered, wildcards or {}):
            if found in refused:
                continue
            rank = 0 if kind == "*" else 1 if subtype == "*" else 2
            if best is None or (weight, rank) > best[:2]:
                best = (weight, rank, found)
            break
    if best is None:
        raise HttpError(406, f"the answer can be {', '.join(offered)}")
    return best[2]


def _meant(
    kind: str, subtype: str, offered: Sequence[str], wildcards: Mapping[str, str]
) -> list[str]:
    """The types on offer that a range stands for, best first."""
    if kind == "*":
        return list(offered)
    if subtype == "*":
        fitting = [each for each in offered if each.startswith(f"{kind}/")]
        first = wildcards.get(kind)
        return fitting if first is None else sorted(fitting, key=lambda each: each != first)
    return [each for each in offered if each == f"{kind}/{subtype}"]
