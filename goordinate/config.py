"""The YAML file and the command line -> one checked configuration.

The rule here: what is a key of ours is in `sections`; this reads it from the file and from the
options, and tells the operator what has no effect.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import Field, asdict, dataclass, fields, replace
from typing import Any

from goordinate.sections import (
    LEVEL,
    LEVELS,
    MAP,
    SECTIONS,
    HttpConfig,
    JobQueueConfig,
    Sections,
    ServerConfig,
    shown,
)
from goordinate.yaml_file import ConfigError, python2_form, read_yaml

__all__ = [
    "LEVELS",
    "Config",
    "ConfigError",
    "HttpConfig",
    "JobQueueConfig",
    "LogConfig",
    "ServerConfig",
    "default_config",
    "difference",
    "load",
]

MASKED = "(not shown)"
"""What clients and operators are shown in place of a secret."""

Options = Mapping[str, Any]
"""The options of the command line by their names, as "--host"; None: not given."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """The log levels in the file's `logging` block; the rest of that block is not ours.

    `level` is that of every logger (None: the file does not say), `loggers` that of those named.
    """

    level: int | None
    loggers: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Config(Sections):
    """A checked configuration: its sections, and what is made of them.

    `backend` is where state is kept, NAME or NAME:ADDRESS. `effective` is the whole mapping with
    the defaults and the command line in it, `wire` the same as get_config sends it. `warnings` is
    what the operator should be told. `lacking` is what the configuration asks for and this daemon
    does not have: no daemon may run with any of it.
    """

    log: LogConfig
    backend: str
    effective: Mapping[object, Any]
    wire: object
    warnings: tuple[str, ...]
    lacking: tuple[str, ...]

    def require_supported(self) -> None:
        """Raises ConfigError if anything is lacking."""
        if self.lacking:
            raise ConfigError("; ".join(self.lacking))


def default_config() -> dict[object, Any]:
    """The effective configuration of a daemon that is given neither file nor options."""
    return {"coordinate": asdict(Sections())}


def load(
    path: str | None,
    options: Options,
    *,
    backends: Collection[str] = (),
    running: Config | None = None,
) -> Config:
    """The configuration of a file (None: of no file) under the options of the command line.

    `backends` are the names of those there are. `running` is the configuration of the daemon that
    reads again: what cannot change stays as it is, and each such key that would is a warning.

    Raises ConfigError.
    """
    source = "defaults" if path is None else path
    content = None if path is None else read_yaml(path)
    top = _Block({} if content is None else content, source)
    coordinate = top.block("coordinate")
    reader = _Reader(options, backends)
    reader.look_for_misplaced(top)
    reader.look_for_misplaced(coordinate)
    sections: dict[str, Any] = {
        name: reader.section(section, coordinate.block(name)) for name, section in SECTIONS.items()
    }
    log = reader.log(top.block("logging"))
    backend = reader.backend()
    if running is not None:
        for name, section in sections.items():
            sections[name] = reader.kept(section, getattr(running, name), coordinate.block(name))
        backend = running.backend
    effective = _overlay(default_config(), top.values)
    for name, section in sections.items():
        effective["coordinate"][name].update(asdict(section))
    http = effective["coordinate"]["http"]
    http["tokens"] = [{**token, "token": MASKED} for token in http["tokens"]]
    return Config(
        **sections,
        log=log,
        backend=backend,
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
        self.path = path
        self.values: dict[object, Any] = MAP.read(values, f"{source}: {path or 'top level'}")

    def place(self, key: object) -> str:
        """The file and the key, as an error names them."""
        return f"{self._source}: {self.path}.{key}" if self.path else f"{self._source}: {key}"

    def block(self, key: object) -> _Block:
        """The map under a key, empty if the key is missing or null."""
        value = self.values.get(key)
        path = f"{self.path}.{key}" if self.path else str(key)
        return _Block({} if value is None else value, self._source, path)

    def level(self, key: object) -> int | None:
        """The log level under a key."""
        value = self.values.get(key)
        if value is None:
            return None
        LEVEL.read(value, self.place(key))
        return LEVELS[value.upper()] if isinstance(value, str) else int(value)


class _Reader:
    """Reads the blocks that are ours; collects what is no error but must be told."""

    def __init__(self, options: Options, backends: Collection[str]) -> None:
        self._options = options
        self._backends = backends
        #: Who asks for which backend.
        self._asked: list[tuple[str, str]] = []
        if options.get("--backend") is not None:
            self._asked.append(("command line: --backend", options["--backend"]))
        self.warnings: list[str] = []
        self.lacking: list[str] = []

    def look_for_misplaced(self, block: _Block) -> None:
        """Warn of keys in a block that others use too, if they look like ours elsewhere."""
        level = _level(block.path)
        for name in block.values:
            if name not in level:
                nearest = _misplaced(f"{block.path}.{name}" if block.path else str(name))
                if nearest is not None:
                    self._unknown(block, name, nearest)

    def _unknown(self, block: _Block, name: object, nearest: str) -> None:
        self.warnings.append(
            f"{block.place(name)}: unknown key, the nearest known one is {nearest}"
        )

    def section(self, section: type[Any], block: _Block) -> Any:
        """A section from its block, with the options laid over."""
        known = {key.name: key for key in fields(section)}
        for name in block.values:
            if name not in known:
                place = f"{block.path}.{name}"
                self._unknown(block, name, _misplaced(place) or _nearest(place))
        return section(
            **{key.name: value for key in fields(section) for value in self._value(key, block)}
        )

    def _value(self, key: Field[Any], block: _Block) -> Iterator[Any]:
        """The value of a key, if the options or the file give one."""
        value, place = (
            self._options.get(key.metadata["option"]),
            f"command line: {key.metadata['option']}",
        )
        if value is None:
            value, place = block.values.get(key.name), block.place(key.name)
        lacks, backend = key.metadata["lacks"], key.metadata["backend"]
        if value is None or (lacks and not value):
            return
        value = key.metadata["kind"].read(value, place)
        if backend is not None:
            self._asked.append((place, f"{backend}:{value}"))
        if lacks and backend not in self._backends:
            self.lacking.append(f"{place}: {lacks}")
        if key.metadata["unused"] and value != key.default:
            self.warnings.append(f"{place}: not used: {key.metadata['unused']}")
        yield value

    def backend(self) -> str:
        """Where state is kept, which may be said in several places. Raises ConfigError."""
        if not self._asked:
            return "memory"
        place, wanted = self._asked[0]
        for other, also in self._asked[1:]:
            # Without the addresses: that of a database may hold a password.
            if also != wanted:
                raise ConfigError(f"{place} and {other}: these are two backends, and there is one")
        return wanted

    def kept(self, section: Any, running: Any, block: _Block) -> Any:
        """A section that is read again, with what cannot change as it is in the running one."""
        kept = {
            key.name: getattr(running, key.name)
            for key in fields(section)
            if not key.metadata["reloads"]
        }
        for name, value in kept.items():
            if getattr(section, name) != value:
                self.warnings.append(
                    f"{block.place(name)}: cannot change while running, it stays {shown(value)}"
                )
        return replace(section, **kept)

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


def _places() -> Iterator[str]:
    """The full names of all that is ours."""
    yield from ("coordinate", "logging")
    for name, section in SECTIONS.items():
        yield f"coordinate.{name}"
        yield from (f"coordinate.{name}.{key.name}" for key in fields(section))


_PLACES = tuple(_places())


def _level(above: str) -> dict[str, str]:
    """The places of ours right below another, by their names."""
    return {_name(known): known for known in _PLACES if known.rpartition(".")[0] == above}


def _name(place: str) -> str:
    """The last part of a place, in the form in which our keys are written."""
    return place.rpartition(".")[2].lower().replace("-", "_")


def _misplaced(place: str) -> str | None:
    """The place of ours that is meant, if one is likely: by the same name elsewhere, or by nearly
    the same at the same level."""
    for known in _PLACES:
        if known == place.lower() or _name(known) == _name(place):
            return known
    level = _level(place.rpartition(".")[0])
    return next(
        map(level.get, difflib.get_close_matches(_name(place), level, n=1, cutoff=0.8)), None
    )


def _nearest(place: str) -> str:
    """The key of the same section with the name that is most alike."""
    level = _level(place.rpartition(".")[0])
    return level[difflib.get_close_matches(_name(place), level, n=1, cutoff=0.0)[0]]
