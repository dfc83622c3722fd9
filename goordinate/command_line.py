"""The command line: its options, and what they make of the configuration.

The rule here: an option that was not given is None, so that the file and the defaults can tell.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from goordinate import __version__, logs
from goordinate.backend import BACKENDS
from goordinate.config import LEVELS, Config, LogConfig, default_config, difference, load
from goordinate.yaml_file import write_yaml


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options; argparse itself ends the program for --help, --version and bad usage."""
    parser = argparse.ArgumentParser(
        prog="goordinated", description="A work queue daemon that speaks the Coordinate protocol."
    )
    add = parser.add_argument
    add("--host", help="address to listen on; 0.0.0.0 or :: for all (default: localhost)")
    add("--port", "-p", type=int, help="port to listen on; 0 for a free one (default: 5932)")
    add("--config", "-c", metavar="FILE", help="read the configuration from this YAML file")
    add(
        "--dump-config",
        nargs="?",
        const="effective",
        choices=["default", "effective", "full"],
        help="print as YAML, and exit: the default configuration, what differs from it "
        "(effective, also when no word is given), or all",
    )
    add("--pid", metavar="FILE", help="write the process id to this file")
    add("--verbose", "-v", action="count", default=0, help="log more (repeatable)")
    add("--quiet", "-q", action="count", default=0, help="log less (repeatable)")
    add(
        "--debug",
        metavar="LOGGER",
        action="append",
        default=[],
        help="log everything of this logger (repeatable)",
    )
    add(
        "--log-level",
        metavar="LEVEL",
        type=str.upper,
        choices=list(LEVELS),
        help=f"log from this level up: {', '.join(LEVELS)} (default: INFO)",
    )
    add("--httpd", metavar="HOST:PORT", help="serve HTTP there too (default port: 5980)")
    add("--snapshot-dir", metavar="DIR", help="refused: see --backend")
    add(
        "--backend",
        metavar="NAME[:ADDRESS]",
        help="where state is kept: memory, or sqlite:PATH, a file (default: memory)",
    )
    add(
        "--check",
        metavar="FILE",
        help="read a file of the sqlite backend through, say what is in it or what is wrong "
        "with it, and exit",
    )
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser.parse_args(argv)


def read_config(arguments: argparse.Namespace, running: Config | None = None) -> Config:
    """The configuration that the options and their file make. Raises ConfigError."""
    directory = arguments.snapshot_dir
    options = {
        # Empty, these two are no option to the original either: scripts pass unset variables.
        "--host": arguments.host or None,
        "--httpd": arguments.httpd or None,
        "--port": arguments.port,
        "--snapshot-dir": directory and os.path.join(directory, "snapshot_{timestamp}"),
        "--backend": arguments.backend,
    }
    return load(arguments.config, options, backends=BACKENDS, running=running)


def log_levels(arguments: argparse.Namespace, config: Config) -> LogConfig:
    """The levels of the options and the file."""
    return logs.levels(
        config.log,
        level=arguments.log_level and LEVELS[arguments.log_level],
        steps=arguments.verbose - arguments.quiet,
        debug=arguments.debug,
    )


def dump(what: str, config: Config) -> str:
    """The YAML that `--dump-config` prints for its word: default, effective or full."""
    if what == "default":
        return write_yaml(default_config())
    if what == "full":
        return write_yaml(config.effective)
    return write_yaml(difference(default_config(), config.effective))
