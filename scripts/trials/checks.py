"""What a run has found: its checks, each held or not, and the figures behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from scripts.processes.daemon import Daemon


@dataclass
class Report:
    """The checks so far; each is printed when it is made."""

    failed: list[str] = field(default_factory=list)

    def check(self, what: str, held: bool, figures: str = "") -> None:
        """Take down whether something that has to hold does."""
        print(f"{'ok    ' if held else 'FAILED'} {what}{figures and f': {figures}'}", flush=True)
        if not held:
            self.failed.append(what)

    def end(self) -> int:
        """The last line, and the exit status: 0 when all checks held."""
        print(f"\n{len(self.failed)} checks FAILED" if self.failed else "\nall checks held")
        return 1 if self.failed else 0


def heading(text: str) -> None:
    """Say what comes."""
    print(f"\n{text}", flush=True)


def note(text: str) -> None:
    """A line that is no check."""
    print(f"       {text}", flush=True)


def megabytes(size: float) -> str:
    """A size in bytes, in words."""
    return f"{size / 2**20:.1f} MB"


def moved(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """By how much the daemon's counters have moved."""
    return {name: count - before[name] for name, count in after.items()}


@dataclass(frozen=True)
class Look:
    """What was seen of the daemon at one moment."""

    resident: int
    connections: int
    accepted: int
    descriptors: int
    greenlets: int
    objects: int
    blocks: int

    def __str__(self) -> str:
        counts = asdict(self)
        resident = megabytes(counts.pop("resident"))
        return ", ".join([resident, *(f"{name} {count:,}" for name, count in counts.items())])


def look(server: Daemon) -> Look:
    """Look at the daemon now."""
    stats = server.stats()
    return Look(
        resident=server.resident_bytes(),
        connections=stats["connections"],
        accepted=stats["connections_accepted"],
        descriptors=server.descriptors(),
        **server.counts("figures"),
    )


def cleared(server: Daemon) -> Look:
    """Clear the queue, wait for rest, and look at what is left."""
    server.call("clear")
    server.rest()
    return look(server)


def check_left(report: Report, before: Look, after: Look) -> None:
    """That no more is left afterwards than was there before."""
    for what in ("greenlets", "descriptors", "connections"):
        first, last = getattr(before, what), getattr(after, what)
        report.check(f"no {what} more", first == last, f"{first} and {last}")


def check_end(report: Report, server: Daemon) -> None:
    """That a daemon which has been left alone is in order, and stops when it is told to."""
    stats, complaints = server.stats(), server.complaints()
    report.check(
        "only the connection that asks is left",
        stats["connections"] == 1,
        f"{stats['connections']} open, {stats['connections_accepted']:,} accepted",
    )
    report.check(
        "no fault of the daemon's own",
        stats["internal_errors"] == 0 and not complaints,
        "; ".join(complaints[:3]) or f"{len(server.log_lines()):,} lines of log",
    )
    status = server.stop()
    report.check("the daemon stops when told to", status == 0, f"exit status {status}")
