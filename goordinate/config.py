"""The YAML file and the command line -> one checked configuration.

The rule here: the dataclasses are the table of the keys that are ours.  One field is one key: its
default, what it takes, whether it may change while the daemon runs, and why it is refused when it
asks for a part that does not exist yet.
"""

from __future__ import annotations

import difflib
import ipaddress
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple, TypeVar

from goordinate.cborrpc.limits import Limits
from goordinate.yaml_file import ConfigError, python2_form, read_yaml

__all__ = [
    "LEVELS",
    "Config",
    "ConfigError",
    "JobQueueConfig",
    "LogConfig",
    "ServerConfig",
    "default_config",
    "difference",
    "load",
]

LEVELS: Mapping[str, int] = {
    name: getattr(logging, name)
    for name in ("CRITICAL", "FATAL", "ERROR", "WARNING", "WARN", "INFO", "DEBUG", "NOTSET")
}
"""The log levels by name."""

_KEEPS_STATE = "this daemon keeps its state in memory only"
_SERVES_HTTP = "this daemon does not serve HTTP"
_LOADS_MODULES = "this daemon loads no modules"

_LIMITS = Limits()


class _Kind(NamedTuple):
    """What a key takes: the words for an error, the test, and the same of the items of a list."""

    words: str
    accepts: Callable[[Any], bool]
    items: _Kind | None = None


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


_TEXT = _Kind("a string", lambda value: isinstance(value, str))
_BOOLEAN = _Kind("true or false", lambda value: isinstance(value, bool))
_LIST = _Kind("a list", lambda value: isinstance(value, list))
_MAP = _Kind("a map", lambda value: isinstance(value, dict))
_PORT = _Kind(
    "an integer from 0 to 65535", lambda value: _is_integer(value) and 0 <= value <= 65535
)
_COUNT = _Kind("an integer of 0 or more, or null", lambda value: _is_integer(value) and value >= 0)
_AMOUNT = _Kind("a number of 0 or more, or null", _is_amount)
_OPTIONAL_TEXT = _Kind("a string or null", _TEXT.accepts)
_POSITIVE = _Kind("a number above 0", lambda value: _is_amount(value) and value > 0)
_SIZE = _Kind("a number of bytes, 1024 or more", lambda value: _is_integer(value) and value >= 1024)
_MOST = _Kind("an integer of 1 or more", lambda value: _is_integer(value) and value >= 1)
_OPTIONAL_MOST = _Kind("an integer of 1 or more, or null", _MOST.accepts)
# Less than 16 and calls that clients make every day would not get through.
_DEPTH = _Kind(
    f"an integer from 16 to {_LIMITS.max_depth}",
    lambda value: _is_integer(value) and 16 <= value <= _LIMITS.max_depth,
)
_NETWORKS = _Kind(
    "a list of networks",
    _LIST.accepts,
    _Kind("a network such as '10.0.0.0/8', '192.168.1.7' or 'fd00::/8'", _is_network),
)
_LEVEL = _Kind(f"one of {', '.join(LEVELS)}, or a number", _is_level)


def _takes(
    kind: _Kind, *, option: str | None = None, lacks: str | None = None, reloads: bool = False
) -> dict[str, object]:
    """What a field takes; `option` is the one of the command line that wins over the file.

    `lacks` says why a value that is not null, false or empty is refused; `reloads` that it may
    change while the daemon runs.
    """
    return {"kind": kind, "option": option, "lacks": lacks, "reloads": reloads}


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The keys of `coordinate.server`; the host "" is every IPv4 interface, port 0 a free port.

    `max_..` and `.._timeout` are those of `Limits`; without `max_connections`, it is what the limit
    of open files allows. `stop_timeout`: seconds from a stop signal to the end. `allow`, `deny`:
    the networks from which one may connect (none: from anywhere), and may not.
    """

    host: str = field(default="localhost", metadata=_takes(_TEXT, option="--host"))
    port: int = field(default=5932, metadata=_takes(_PORT, option="--port"))
    httpd: str | None = field(
        default=None, metadata=_takes(_OPTIONAL_TEXT, option="--httpd", lacks=_SERVES_HTTP)
    )
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
    allow: list[str] = field(default_factory=list, metadata=_takes(_NETWORKS, reloads=True))
    deny: list[str] = field(default_factory=list, metadata=_takes(_NETWORKS, reloads=True))


@dataclass(frozen=True, slots=True)
class JobQueueConfig:
    """The keys of `coordinate.job_queue`.

    Of a work spec's finished units, `limit_completed_count` are kept, and none for longer than
    `limit_completed_age` seconds; None is no limit.
    """

    limit_completed_count: int | None = field(default=None, metadata=_takes(_COUNT))
    limit_completed_age: float | None = field(default=None, metadata=_takes(_AMOUNT))
    snapshot_period_seconds: float | None = field(
        default=None, metadata=_takes(_AMOUNT, lacks=_KEEPS_STATE)
    )
    snapshot_path_format: str | None = field(
        default=None, metadata=_takes(_OPTIONAL_TEXT, option="--snapshot-dir", lacks=_KEEPS_STATE)
    )
    delete_snapshots_beyond: int | None = field(default=None, metadata=_takes(_COUNT))
    log_path_format: str | None = field(
        default=None, metadata=_takes(_OPTIONAL_TEXT, lacks=_KEEPS_STATE)
    )
    do_recover: bool = field(default=False, metadata=_takes(_BOOLEAN, lacks=_KEEPS_STATE))
    sqlite_path: str | None = field(
        default=None, metadata=_takes(_OPTIONAL_TEXT, lacks=_KEEPS_STATE)
    )
    postgres_connect: str | None = field(
        default=None, metadata=_takes(_OPTIONAL_TEXT, lacks=_KEEPS_STATE)
    )
    postgres_schema: str = field(default="public", metadata=_takes(_TEXT))
    joblog: bool = field(default=False, metadata=_takes(_BOOLEAN))


@dataclass(frozen=True, slots=True)
class LogConfig:
    """The log levels in the file's `logging` block; the rest of that block is not ours.

    `level` is that of every logger (None: the file does not say), `loggers` that of those named.
    """

    level: int | None
    loggers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration.

    `effective` is the whole mapping with the defaults and the command line in it, `wire` the same
    as get_config sends it.  `warnings` is what the operator should be told.  `lacking` is what
    the configuration asks for and this daemon does not have: no daemon may run with any of it.
    """

    server: ServerConfig
    job_queue: JobQueueConfig
    log: LogConfig
    effective: Mapping[object, Any]
    wire: object
    warnings: tuple[str, ...]
    lacking: tuple[str, ...]

    def require_supported(self) -> None:
        """Raise ConfigError if anything is lacking."""
        if self.lacking:
            raise ConfigError("; ".join(self.lacking))


def default_config() -> dict[object, Any]:
    """The effective configuration of a daemon that is given neither file nor options."""
    return {"coordinate": {"server": asdict(ServerConfig()), "job_queue": asdict(JobQueueConfig())}}


def load(
    path: str | None, options: Mapping[str, object], *, running: Config | None = None
) -> Config:
    """The configuration of a file (None: of no file) under the options of the command line.

    `options` maps keys of `coordinate.server` and `coordinate.job_queue` to their values; None is
    an option that was not given.  `running` is the configuration of the daemon that reads again:
    what cannot change of its server stays as it is, and each such key that would is a warning.

    Raises ConfigError.
    """
    source = "defaults" if path is None else path
    content = None if path is None else read_yaml(path)
    top = _Block({} if content is None else content, source)
    coordinate = top.block("coordinate")
    reader = _Reader(options)
    server = reader.section(ServerConfig, coordinate.block("server"))
    job_queue = reader.section(JobQueueConfig, coordinate.block("job_queue"))
    log = reader.log(top.block("logging"))
    effective = _overlay(default_config(), top.values)
    for section in effective["coordinate"]["server"], effective["coordinate"]["job_queue"]:
        section.update({key: options[key] for key in section if options.get(key) is not None})
    if running is not None:
        fixed = [key.name for key in fields(ServerConfig) if not key.metadata["reloads"]]
        kept = {key: getattr(running.server, key) for key in fixed}
        for key, value in kept.items():
            if getattr(server, key) != value:
                reader.warnings.append(
                    f"{source}: coordinate.server.{key}: cannot change while running,"
                    f" it stays {_describe(value)}"
                )
        server = replace(server, **kept)
        effective["coordinate"]["server"].update(kept)
    return Config(
        server=server,
        job_queue=job_queue,
        log=log,
        effective=effective,
        wire=python2_form(effective, source),
        warnings=tuple(reader.warnings),
        lacking=tuple(reader.lacking),
    )


def difference(base: Mapping[object, Any], target: Mapping[object, Any]) -> dict[object, Any]:
    """The keys of `target` that are not as in `base`, to any depth; it has all those of `base`."""
    return {
        key: difference(base[key], value)
        if isinstance(value, dict) and isinstance(base.get(key), dict)
        else value
        for key, value in target.items()
        if key not in base or base[key] != value
    }


def _overlay(base: Mapping[object, Any], over: Mapping[object, Any]) -> dict[object, Any]:
    """`over` laid over `base`, as the original does: its null asks for what `base` has.

    So a null key that `base` does not have is left out, at the levels that `base` has.
    """
    result = dict(base)
    for key, value in over.items():
        if isinstance(base.get(key), dict) and isinstance(value, dict):
            result[key] = _overlay(base[key], value)
        elif value is not None:
            result[key] = value
    return result


class _Block:
    """A map of the file with its place there, so that an error can name both."""

    def __init__(self, values: object, source: str, path: str = "") -> None:
        self._source = source
        self._path = path
        _check(values, _MAP, f"{source}: {path or 'top level'}")
        self.values: dict[object, Any] = values  # type: ignore[assignment]

    def place(self, key: object) -> str:
        """The file and the key, as an error names them."""
        return f"{self._source}: {self._path}.{key}" if self._path else f"{self._source}: {key}"

    def block(self, key: object) -> _Block:
        """The map under a key, empty if the key is missing or null."""
        value = self.values.get(key)
        path = f"{self._path}.{key}" if self._path else str(key)
        return _Block({} if value is None else value, self._source, path)

    def level(self, key: object) -> int | None:
        """The log level under a key."""
        value = self.values.get(key)
        if value is None:
            return None
        _check(value, _LEVEL, self.place(key))
        return LEVELS[value.upper()] if isinstance(value, str) else int(value)


_Section = TypeVar("_Section", ServerConfig, JobQueueConfig)


class _Reader:
    """Reads the blocks that are ours; collects what is no error but must be told."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = options
        self.warnings: list[str] = []
        self.lacking: list[str] = []

    def section(self, section: type[_Section], block: _Block) -> _Section:
        """A section from its block, with the options laid over."""
        known = [key.name for key in fields(section)]
        for name in block.values:
            if name not in known:
                nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
                self.warnings.append(
                    f"{block.place(name)}: unknown key, the nearest known one is {nearest!r}"
                )
        values: dict[str, Any] = {}
        for key in fields(section):
            value, place = self._options.get(key.name), f"command line: {key.metadata['option']}"
            if value is None:
                value, place = block.values.get(key.name), block.place(key.name)
            lacks = key.metadata["lacks"]
            if value is None or (lacks and not value):
                continue
            _check(value, key.metadata["kind"], place)
            if lacks:
                self.lacking.append(f"{place}: {lacks}")
            values[key.name] = value
        return section(**values)

    def log(self, block: _Block) -> LogConfig:
        """The levels of a block in the form of Python's logging.config, which the original reads.

        As there, the console's level is the one that tells, unless only the root has one.
        """
        handlers = block.block("handlers")
        for name in handlers.values:
            if name not in ("console", "debug"):
                self.warnings.append(f"{handlers.place(name)}: not used, the log is standard error")
        console = handlers.block("console").level("level")
        root = block.block("root").level("level")
        loggers = block.block("loggers")
        levels = {str(name): loggers.block(name).level("level") for name in loggers.values}
        return LogConfig(
            level=root or None if console is None else console,
            loggers={name: level for name, level in levels.items() if level is not None},
        )


def _check(value: object, kind: _Kind, place: str) -> None:
    if not kind.accepts(value):
        raise ConfigError(f"{place}: expected {kind.words}, got {_describe(value)}")
    if kind.items is not None:
        items: list[object] = value  # type: ignore[assignment]
        for number, item in enumerate(items):
            _check(item, kind.items, f"{place}[{number}]")


def _describe(value: object) -> str:
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
