"""Entity tags: If-Match and If-None-Match (RFC 9110, section 13.1)."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from .messages import HttpError, Request

_TAG: Final = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def tag_of(content: bytes) -> str:
    """The tag of a state, whatever the type in which it is sent."""
    return hashlib.blake2b(content, digest_size=9).hexdigest()


def _named(header: bytes) -> list[tuple[bool, str]]:
    """The tags in a header: whether weak, and the part that tells the state."""
    return [(bool(weak), tag.decode("latin-1")) for weak, tag in _TAG.findall(header)]


def require_match(request: Request, tag: str | None) -> None:
    """Raises HttpError 412 unless the request's If-Match, if it has one, names this state.

    tag: None: there is nothing of that name.
    """
    header = request.header(b"if-match")
    if header is None:
        return
    if header.strip() == b"*":
        matches = tag is not None
    else:
        matches = any(named == tag and not weak for weak, named in _named(header))
    if not matches:
        raise HttpError(412, "it has changed since: If-Match names another state")


def is_known(request: Request, tag: str) -> bool:
    """Whether the client has this state already: the answer is 304."""
    header = request.header(b"if-none-match")
    if header is None:
        return False
    return header.strip() == b"*" or any(named == tag for _, named in _named(header))
