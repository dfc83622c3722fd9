"""Who may do what over HTTP: bearer tokens with roles, and the rules that guard against browsers.

Rule: tokens are kept as digests and compared in constant time; no token is logged or shown.  A
role may do all that the roles before it may.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final, NamedTuple

from .messages import HttpError, Request

PUBLIC: Final = 0
READ: Final = 1
WORK: Final = 2
ADMIN: Final = 3

ROLES: Final = {"read": READ, "work": WORK, "admin": ADMIN}
"""The roles that a token may have, by name."""

ROLE_NAMES: Final = {number: name for name, number in ROLES.items()}

SAFE: Final = ("GET", "HEAD")
"""Methods that change nothing."""


class Token(NamedTuple):
    """A token: its name, which logs tell, its role, and its secret."""

    name: str
    role: int
    secret: str


class TokenError(ValueError):
    """A token that cannot be; the text is one line and does not have the secret."""


def read_tokens(text: str) -> list[Token]:
    """The tokens of a file: on each line a name, a role and a secret, with spaces between them.

    Empty lines, and those that begin with #, are passed over.  Raises TokenError.
    """
    tokens = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 3:
            raise TokenError(f"line {number}: expected a name, a role and a secret")
        name, role, secret = words
        try:
            tokens.append(token(name, role, secret))
        except TokenError as fault:
            raise TokenError(f"line {number}: {fault}") from None
    check_names(tokens)
    return tokens


SHORTEST: Final = 16
"""Characters of the shortest secret that is taken."""


def token(name: str, role: str, secret: str) -> Token:
    """A checked token.  Raises TokenError."""
    if role not in ROLES:
        raise TokenError(f"token {name!r}: the role is one of {', '.join(ROLES)}")
    if len(secret) < SHORTEST or not secret.isascii() or not secret.isprintable():
        raise TokenError(f"token {name!r}: a secret is {SHORTEST} printable characters or more")
    return Token(name, ROLES[role], secret)


def check_names(tokens: Iterable[Token]) -> None:
    """Raises TokenError if two tokens have one name, which the log could not tell apart."""
    seen: set[str] = set()
    for each in tokens:
        if each.name in seen:
            raise TokenError(f"token {each.name!r} is there twice")
        seen.add(each.name)


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


class Access:
    """Who may do what.

    tokens: none: everybody may do everything, but only a program that is no web page of a foreign
    site.  hosts: the names under which this server is called, besides localhost and addresses.
    """

    def __init__(self, tokens: Iterable[Token] = (), hosts: Iterable[str] = ()) -> None:
        self.change(tokens, hosts)

    def change(self, tokens: Iterable[Token], hosts: Iterable[str]) -> None:
        """Take other tokens and hosts from now on."""
        self._tokens = [(_digest(each.secret.encode()), each) for each in tokens]
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    @property
    def has_tokens(self) -> bool:
        """Whether a token is needed at all."""
        return bool(self._tokens)

    def check(self, request: Request, role: int) -> None:
        """Let a request pass that may do what needs this role, and note its token.

        Raises HttpError: 401, 403, or 421 for a host that is not this server.
        """
        if role == PUBLIC:
            return
        if self._tokens:
            self._check_token(request, role)
        elif not self._is_ours(request.header(b"host")):
            raise HttpError(421, "this server is not known under the Host that was asked for")
        if request.method not in SAFE:
            _check_origin(request)

    def _check_token(self, request: Request, role: int) -> None:
        scheme, _, secret = (request.header(b"authorization") or b"").partition(b" ")
        found: Token | None = None
        if scheme.lower() == b"bearer":
            given = _digest(secret.strip())
            for digest, each in self._tokens:  # all of them, so that the time tells nothing
                if hmac.compare_digest(digest, given):
                    found = each
        if found is None:
            raise HttpError(
                401, "a bearer token is needed", headers=[("WWW-Authenticate", "Bearer")]
            )
        request.token = found.name
        if found.role < role:
            raise HttpError(
                403, f"this needs a token with the role {ROLE_NAMES[role]}", error="error"
            )

    def _is_ours(self, host: bytes | None) -> bool:
        """Whether a Host header names this server.  An address always does: only names can be made
        to point here by others (DNS rebinding)."""
        if not host:  # HTTP/1.0
            return True
        name = host.decode("latin-1").lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        if name in self._hosts:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True


def _check_origin(request: Request) -> None:
    """Refuse a change that a web page of a foreign site asks for.  Raises HttpError."""
    site = request.header(b"sec-fetch-site")
    if site is not None:
        if site in (b"same-origin", b"none"):
            return
        raise HttpError(403, "a web page of another site may not do this")
    origin = request.header(b"origin")
    if origin is None:
        return  # no browser
    scheme = b"https" if request.secure else b"http"
    if origin.lower() != scheme + b"://" + (request.header(b"host") or b"").lower():
        raise HttpError(403, "a web page of another site may not do this")
