"""`python -m goordinate.worker`: the flags of docs/worker.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from goordinate.client import ProgrammerError
from goordinate.pid_file import PidFile
from goordinate.yaml_file import ConfigError, read_yaml

from . import Supervisor, WorkerConfig
from .config import Isolation, LogFormat, OnDeath


def parser() -> argparse.ArgumentParser:
    """The flags. What is not given is None."""
    flags = argparse.ArgumentParser(prog="python -m goordinate.worker", description="Run units.")
    add = flags.add_argument
    add("-c", "--config", metavar="FILE", help="the YAML file with the block `coordinate`")
    add("--address", metavar="HOST:PORT", help="the server, instead of the one in the file")
    add("-j", "--processes", type=int, metavar="N")
    add("--work-spec", action="append", dest="work_spec_names", metavar="NAME")
    add("--runtime", action="append", dest="runtimes", metavar="NAME")
    add("--batch", type=int, metavar="N")
    add("--burst", action="store_true", default=None)
    add("--max-idle", type=float, metavar="S")
    add("--limit-count", type=int, metavar="N")
    add("--limit-seconds", type=float, metavar="S")
    add("--lease", type=float, metavar="S")
    add("--timeout", type=float, metavar="S")
    add("--max-units", type=int, metavar="N")
    add("--max-memory", type=float, metavar="MB")
    add("--isolation", choices=get_args(Isolation))
    add("--on-death", choices=get_args(OnDeath))
    add("--preload", action="append", metavar="MODULE")
    add("--stop-timeout", type=float, metavar="S")
    add("--log-format", choices=get_args(LogFormat))
    add("--log-file", "--logpath", metavar="F")
    add("--pid", "--pidfile", metavar="F")
    add("--foreground", action="store_true", help="no effect: it is always in the foreground")
    add("--watch", metavar="DIR")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker. Returns the exit status."""
    flags = vars(parser().parse_args(arguments))
    del flags["foreground"]
    file, address, pid = flags.pop("config"), flags.pop("address"), flags.pop("pid")
    try:
        coordinate = _coordinate(read_yaml(file)) if file else {}
        if address:
            coordinate = {**coordinate, "address": address}
        supervisor = Supervisor(WorkerConfig.from_file(coordinate, **flags))
        pid_file = PidFile(pid) if pid else None
        if pid_file is not None:
            pid_file.write()
        try:
            return supervisor.run()
        finally:
            if pid_file is not None:
                pid_file.remove()
    except (ProgrammerError, ConfigError, OSError, ValueError, TypeError) as fault:
        print(f"worker: {fault}", file=sys.stderr)
        return 2


def _coordinate(document: Any) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        return {}
    block = document.get("coordinate", document)
    return block if isinstance(block, Mapping) else {}


if __name__ == "__main__":
    sys.exit(main())
