"""The table of measures: its lines, its bars, and docs/performance.md around it.

Only the lines between the two markers of docs/performance.md are written.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.benchmark.servers import Pythons, output_of
from scripts.processes.server import ROOT
from scripts.tables import table

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN = "<!-- table begins: written by scripts/bench --write -->"
END = "<!-- table ends -->"
HEADINGS = ("measure", "bar", "reach for", "measured", "met", "the figures behind it")


@dataclass(frozen=True)
class Line:
    """One line of the table; `met` is None for what is only reported."""

    measure: str
    bar: str
    reach: str
    measured: str
    met: bool | None
    figures: str


def short(value: float) -> str:
    """Three digits, or all of a large number's."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def at_least(measure: str, bar: float, reach: float, value: float, figures: str) -> Line:
    """A ratio that has to be as large as its bar."""
    return Line(measure, f"{bar:g}", f"{reach:g}", f"{value:.2f}", value >= bar, figures)


def at_most(measure: str, bar: float, reach: float, value: float, unit: str, figures: str) -> Line:
    """A figure that has to be as small as its bar."""
    measured = f"{short(value)} {unit}"
    return Line(measure, f"{bar:g} {unit}", f"{reach:g}", measured, value <= bar, figures)


def report(measure: str, measured: str, figures: str = "") -> Line:
    """A line without a bar, or one that could not be measured."""
    return Line(measure, "", "", measured, None, figures)


def failure(measure: str, reason: str) -> Line:
    """A row that was tried and gave no figures."""
    return Line(measure, "", "", "failed", False, reason)


def render(lines: Iterable[Line]) -> str:
    """The lines as a Markdown table."""
    met = {True: "yes", False: "**no**", None: ""}
    return table(
        HEADINGS,
        [
            (line.measure, line.bar, line.reach, line.measured, met[line.met], line.figures)
            for line in lines
        ],
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    commit = output_of(["git", "rev-parse", "--short=12", "HEAD"])
    changed = output_of(["git", "status", "--porcelain", "--untracked-files=no"])
    return (commit or "none") + (" and changes that are not committed" if changed else "")


def _ours(pythons: Pythons) -> str:
    program = (
        "import gevent, goordinate, platform as p;"
        "print('goordinate', goordinate.__version__, 'on', p.python_implementation(),"
        " p.python_version(), 'with gevent', gevent.__version__, gevent.config.loop.__module__)"
    )
    return output_of([pythons.ours, "-c", program], pythons.source)


def _original(pythons: Pythons) -> str:
    if pythons.original is None:
        return "not measured: GOORDINATE_ORIGINAL_PYTHON names no Python 2.7 that has it"
    program = (
        "import pkg_resources as r, platform as p;"
        "print('coordinate %s on Python %s' % (r.get_distribution('coordinate').version,"
        " p.python_version()))"
    )
    return output_of([pythons.original, "-c", program])


def circumstances(pythons: Pythons, command: str, seconds: float, load: float) -> str:
    """Where, when and of what the figures are, as a Markdown list.

    `load` is the load average before the start: what else the machine had to do.
    """
    facts = {
        "machine": f"{_processor()}, {psutil.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}; load average before the start {load:.1f}",
        "ours": _ours(pythons),
        "original": _original(pythons),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _commit(),
        "command": f"`{command}`, {seconds / 60:.0f} minutes",
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())


def write(text: str) -> Path:
    """Put the text between the markers of docs/performance.md; return its path."""
    before, begin, rest = DOCUMENT.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT} has not the two lines {BEGIN} and {END}")
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    return DOCUMENT
