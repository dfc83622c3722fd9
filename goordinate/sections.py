"""The keys of the configuration that are ours, as tables.

The rule here: one field of `Sections` is one section under `coordinate`, and one field of its class
is one key: the default, what it takes, whether it may change while the daemon runs, and what
happens when it asks for a part that does not exist.  Nothing else lists sections or keys.
"""

from __future__ import annotations

import ipaddress
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from goordinate.cborrpc.limits import Limits
from goordinate.yaml_file import ConfigError

__all__ = [
    "LEVEL",
    "LEVELS",
    "MAP",
    "SECTIONS",
    "HttpConfig",
    "JobQueueConfig",
    "Kind",
    "Sections",
    "ServerConfig",
    "http_address",
    "shown",
]

HTTP_PORT = 5980
"""The port of HTTP when none is named."""

LEVELS: Mapping[str, int] = {
    name: getattr(logging, name)
    for name in ("CRITICAL", "FATAL", "ERROR", "WARNING", "WARN", "INFO", "DEBUG", "NOTSET")
}
"""The log levels by name."""

_NO_LOG = "this daemon keeps its state in a database: set coordinate.job_queue.sqlite_path"
_LOADS_MODULES = "this daemon loads no modules"
_NO_SNAPSHOTS = "this daemon writes no snapshots"
_NO_SQLITE = "this daemon has no SQLite backend"
_NO_POSTGRES = "this daemon has no PostgreSQL backend"
_NO_JOBLOG = "this daemon writes no log of single jobs"

_LIMITS = Limits()


class Kind(NamedTuple):
    """What a key takes: the words for an error, the test, and the same of the items of a list.

    `form` is applied to a value that passed the test.
    """

    words: str
    accepts: Callable[[Any], bool]
    items: Kind | None = None
    form: Callable[[Any], Any] = lambda value: value

    def read(self, value: Any, place: str) -> Any:
        """The value in its form. Raises ConfigError, which names the place."""
        if not self.accepts(value):
            raise ConfigError(f"{place}: expected {self.words}, got {shown(value)}")
        if self.items is not None:
            value = [self.items.read(item, f"{place}[{n}]") for n, item in enumerate(value)]
        return self.form(value)


def shown(value: object) -> str:
    """A value as the file has it, short."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, (list, tuple, set)):
        return "a list"
    if isinstance(value, str):
        return f"the string {value[:60]!r}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else f"{value!s:.60}"


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_amount(value: Any) -> bool:
    number = _is_integer(value) or (isinstance(value, float) and math.isfinite(value))
    return number and bool(value >= 0)


def _is_network(value: Any) -> bool:
    try:
        ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _is_level(value: Any) -> bool:
    return value.upper() in LEVELS if isinstance(value, str) else _COUNT.accepts(value)


def http_address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, HOST or :PORT. Raises ValueError."""
    host, port = text, ""
    if not text.endswith("]"):  # [::1] has no port
        before, colon, after = text.rpartition(":")
        if colon:
            host, port = before, after
    if (":" in host and not host.startswith("[")) or (port and not port.isdecimal()):
        raise ValueError(text)
    if host.isdecimal() or int(port or 0) > 65535:
        raise ValueError(text)
    return _without_brackets(host), int(port) if port else HTTP_PORT


def _is_http_address(value: object) -> bool:
    try:
        http_address(value if isinstance(value, str) else "0")
    except ValueError:
        return False
    return True


def _is_token(value: Any) -> bool:
    """Whether a map has the keys of a token; `goordinate.http` checks the values."""
    return (
        isinstance(value, dict)
        and set(value) == {"name", "role", "token"}
        and all(isinstance(each, str) for each in value.values())
    )


def _without_brackets(host: str) -> str:
    """`[::1]`, as in a URL, is the address `::1`."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _unmapped(text: str) -> str:
    """An IPv4 network in its IPv6 form, ::ffff:10.0.0.0/104, as the IPv4 one: peers are compared
    in that form."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped:
            return f"{mapped}/{network.prefixlen - 96}"
    return text


_TEXT = Kind("a string", lambda value: isinstance(value, str))
_HOST = Kind(_TEXT.words, _TEXT.accepts, form=_without_brackets)
_BOOLEAN = Kind("true or false", lambda value: isinstance(value, bool))
_LIST = Kind("a list", lambda value: isinstance(value, list))
MAP = Kind("a map", lambda value: isinstance(value, dict))
_PORT = Kind("an integer from 0 to 65535", lambda value: _is_integer(value) and 0 <= value <= 65535)
_COUNT = Kind("an integer of 0 or more, or null", lambda value: _is_integer(value) and value >= 0)
_AMOUNT = Kind("a number of 0 or more, or null", _is_amount)
_OPTIONAL_TEXT = Kind("a string or null", _TEXT.accepts)
_POSITIVE = Kind("a number above 0", lambda value: _is_amount(value) and value > 0)
_HOLD = Kind("a number from 0 to 60", lambda value: _is_amount(value) and value <= 60)
_SIZE = Kind("a number of bytes, 1024 or more", lambda value: _is_integer(value) and value >= 1024)
_SECONDS = Kind("a number of seconds, 0 or more", _is_amount)
_SYNC = Kind("full or interval", lambda value: value in ("full", "interval"))
_BUDGET = Kind("a number of bytes, 0 or more", _COUNT.accepts)
_MOST = Kind("an integer of 1 or more", lambda value: _is_integer(value) and value >= 1)
_OPTIONAL_MOST = Kind("an integer of 1 or more, or null", _MOST.accepts)
# With less than 16, everyday calls would be refused.
_DEPTH = Kind(
    f"an integer from 16 to {_LIMITS.max_depth}",
    lambda value: _is_integer(value) and 16 <= value <= _LIMITS.max_depth,
)
_TAGS = Kind("known or any", lambda value: value in ("known", "any"))
_NETWORKS = Kind(
    "a list of networks",
    _LIST.accepts,
    Kind(
        "a network such as '10.0.0.0/8', '192.168.1.7' or 'fd00::/8'", _is_network, form=_unmapped
    ),
)
_HTTP_ADDRESS = Kind("HOST:PORT, or null", _is_http_address)
_TEXTS = Kind("a list of strings", _LIST.accepts, _TEXT)
_TOKENS = Kind("a list of tokens", _LIST.accepts, Kind("a map of name, role and token", _is_token))
LEVEL = Kind(f"one of {', '.join(LEVELS)}, or a number", _is_level)


def _takes(
    kind: Kind,
    *,
    option: str | None = None,
    reloads: bool = False,
    lacks: str | None = None,
    unused: str | None = None,
    backend: str | None = None,
) -> dict[str, object]:
    """What a field takes.

    option: the option of the command line that wins over the file.
    reloads: the key may change while the daemon runs.
    lacks: why a value that is not null, false or empty is refused.
    unused: why a value other than the default has no effect; it is a warning.
    backend: the key asks for the backend of this name, at the address that is its value. It is
    refused, with the words of `lacks`, as long as there is none of that name.
    """
    return {
        "kind": kind,
        "option": option,
        "reloads": reloads,
        "lacks": lacks,
        "unused": unused,
        "backend": backend,
    }


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The keys of `coordinate.server`; the host "" is every IPv4 interface, port 0 a free port.

    `max_..` and `.._timeout` are those of `Limits`; without `max_connections`, it is what the limit
    of open files allows. `stop_timeout`: seconds from a stop signal to the end. `hold_get_work`:
    seconds for which a get_work without the option `wait` waits for work. `tags`: "known" if
    only what all clients can read is stored, "any" if they all know all tags. `allow`, `deny`: the
    networks from which one may connect (none: from anywhere), and may not.
    """

    host: str = field(default="localhost", metadata=_takes(_HOST, option="--host"))
    port: int = field(default=5932, metadata=_takes(_PORT, option="--port"))
    httpd: str | None = field(default=None, metadata=_takes(_HTTP_ADDRESS, option="--httpd"))
    rpclog: bool = field(default=False, metadata=_takes(_BOOLEAN))
    modules: list[object] = field(
        default_factory=list, metadata=_takes(_LIST, lacks=_LOADS_MODULES)
    )
    max_frame: int = field(default=_LIMITS.max_frame, metadata=_takes(_SIZE, reloads=True))
    max_depth: int = field(default=_LIMITS.max_depth, metadata=_takes(_DEPTH, reloads=True))
    max_batch: int = field(default=_LIMITS.max_batch, metadata=_takes(_MOST, reloads=True))
    max_connections: int | None = field(default=None, metadata=_takes(_OPTIONAL_MOST, reloads=True))
    frame_timeout: float = field(
        default=_LIMITS.frame_timeout, metadata=_takes(_POSITIVE, reloads=True)
    )
    answer_timeout: float = field(
        default=_LIMITS.answer_timeout, metadata=_takes(_POSITIVE, reloads=True)
    )
    max_buffered: int = field(default=_LIMITS.max_buffered, metadata=_takes(_SIZE, reloads=True))
    stop_timeout: float = field(default=10, metadata=_takes(_POSITIVE, reloads=True))
    hold_get_work: float = field(default=0, metadata=_takes(_HOLD, reloads=True))
    tags: str = field(default="known", metadata=_takes(_TAGS, reloads=True))
    allow: list[str] = field(default_factory=list, metadata=_takes(_NETWORKS, reloads=True))
    deny: list[str] = field(default_factory=list, metadata=_takes(_NETWORKS, reloads=True))


@dataclass(frozen=True, slots=True)
class JobQueueConfig:
    """The keys of `coordinate.job_queue`.

    Of a work spec's finished units, `limit_completed_count` are kept, and none for longer than
    `limit_completed_age` seconds; None is no limit. The past attempts of a unit keep at most
    `attempt_data` bytes that are not the unit's own.

    `sqlite_path` is the file that keeps the state. With the `sync` "full" an answer waits until all
    that it tells of is on disk; with "interval", a commit is made every `sync_interval` seconds.
    After a start a lease has at least `restart_grace` seconds.
    """

    limit_completed_count: int | None = field(default=None, metadata=_takes(_COUNT, reloads=True))
    limit_completed_age: float | None = field(default=None, metadata=_takes(_AMOUNT, reloads=True))
    attempt_data: int = field(default=4096, metadata=_takes(_BUDGET, reloads=True))
    snapshot_period_seconds: float | None = field(
        default=None, metadata=_takes(_AMOUNT, lacks=_NO_LOG)
    )
    snapshot_path_format: str | None = field(
        default=None, metadata=_takes(_OPTIONAL_TEXT, option="--snapshot-dir", lacks=_NO_LOG)
    )
    delete_snapshots_beyond: int | None = field(
        default=None, metadata=_takes(_COUNT, unused=_NO_SNAPSHOTS)
    )
    log_path_format: str | None = field(
        default=None, metadata=_takes(_OPTIONAL_TEXT, lacks=_NO_LOG)
    )
    do_recover: bool = field(default=False, metadata=_takes(_BOOLEAN, lacks=_NO_LOG))
    sqlite_path: str | None = field(
        default=None, metadata=_takes(_OPTIONAL_TEXT, lacks=_NO_SQLITE, backend="sqlite")
    )
    sync: str = field(default="full", metadata=_takes(_SYNC))
    sync_interval: float = field(default=0.05, metadata=_takes(_POSITIVE))
    restart_grace: float = field(default=30, metadata=_takes(_SECONDS))
    postgres_connect: str | None = field(
        default=None, metadata=_takes(_OPTIONAL_TEXT, lacks=_NO_POSTGRES, backend="postgres")
    )
    postgres_schema: str = field(default="public", metadata=_takes(_TEXT, unused=_NO_POSTGRES))
    joblog: bool = field(default=False, metadata=_takes(_BOOLEAN, unused=_NO_JOBLOG))


_HTTP_LIMITS: Mapping[str, Any] = {
    # As in `goordinate.http.limits`, which need not be installed; a test compares.
    "max_body": 64 * 2**20,
    "max_connections": 1000,
    "max_requests": 1000,
    "max_buffered": 256 * 2**20,
    "idle_timeout": 75,
    "head_timeout": 10,
    "body_timeout": 60,
    "answer_timeout": 60,
}


def _http_limit(name: str, kind: Kind) -> Any:
    return field(default=_HTTP_LIMITS[name], metadata=_takes(kind, reloads=True))


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The keys of `coordinate.http`, which say how `coordinate.server.httpd` is served.

    `tokens`: who may do what, each with a name, a role (read, work or admin) and a token;
    `tokens_file` has more of them. Without any, everybody who can connect may do everything, and
    that is refused beyond this machine unless `without_tokens` is true. `hosts`: names under which
    browsers may ask, besides localhost and addresses. `certificate`, `key`: the files for TLS.
    The limits are those of `goordinate.http.HttpLimits`.
    """

    tokens: list[dict[str, str]] = field(
        default_factory=list, metadata=_takes(_TOKENS, reloads=True)
    )
    tokens_file: str | None = field(default=None, metadata=_takes(_OPTIONAL_TEXT, reloads=True))
    without_tokens: bool = field(default=False, metadata=_takes(_BOOLEAN, reloads=True))
    hosts: list[str] = field(default_factory=list, metadata=_takes(_TEXTS, reloads=True))
    certificate: str | None = field(default=None, metadata=_takes(_OPTIONAL_TEXT, reloads=True))
    key: str | None = field(default=None, metadata=_takes(_OPTIONAL_TEXT, reloads=True))
    max_body: int = _http_limit("max_body", _SIZE)
    max_connections: int = _http_limit("max_connections", _MOST)
    max_requests: int = _http_limit("max_requests", _MOST)
    max_buffered: int = _http_limit("max_buffered", _SIZE)
    idle_timeout: float = _http_limit("idle_timeout", _POSITIVE)
    head_timeout: float = _http_limit("head_timeout", _POSITIVE)
    body_timeout: float = _http_limit("body_timeout", _POSITIVE)
    answer_timeout: float = _http_limit("answer_timeout", _POSITIVE)


@dataclass(frozen=True, kw_only=True)
class Sections:
    """The sections under `coordinate`. A field is a section; its default, that of all its keys."""

    server: ServerConfig = field(default_factory=ServerConfig)
    job_queue: JobQueueConfig = field(default_factory=JobQueueConfig)
    http: HttpConfig = field(default_factory=HttpConfig)


SECTIONS: Mapping[str, Any] = {
    section.name: section.default_factory for section in fields(Sections)
}
"""The class of each section, by its name."""
