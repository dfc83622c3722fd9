"""Work specs that offer what a test says, and ways to ask a scheduler for all its answers."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from goordinate.coordinate.control import Offer
from goordinate.coordinate.scheduler import Scheduler


@dataclass(eq=False)
class StubSpec:
    """All that graph and scheduler ask of a work spec."""

    identity: bytes
    then: bytes | None = None
    then_preempts: bool = True
    continuous: bool = False
    weight: int = 20
    priority: float = 0
    runtime: bytes = b""
    #: What `offer` answers.
    offered: Offer | None = None
    #: How often `offer` was asked.
    asked: int = 0

    def offer(self) -> Offer | None:
        self.asked += 1
        return self.offered


SPEC = re.compile(
    r"(?P<name>[a-z]+)(?P<continuous>\*?)"  # a, or a* that is continuous
    r"((?P<defers>!?)>(?P<then>[a-z]+))?"  # >b: then b; !>b: then b, which does not preempt
    r"((?P<offers>[=~])(?P<pending>\d+))?"  # =2: has units, 2 pending; ~2: would make one up
    r"(@(?P<head>-?[\d.]+))?"  # @-1: the head of its queue has priority -1
    r"(/(?P<weight>\d+))?"  # /40: weight 40, else 20
    r"(\^(?P<priority>\d+))?"  # ^1: spec-wide priority 1
)


def specs_of(text: str) -> list[StubSpec]:
    """Specs from words like "a", "b*!>c=2@-1/40^1"; one that has neither = nor ~ offers nothing."""
    specs = []
    for word in text.split():
        match = SPEC.fullmatch(word)
        assert match, word
        offered = None
        if match["offers"]:
            offered = match["offers"] == "=", float(match["head"] or 0), int(match["pending"])
        specs.append(
            StubSpec(
                match["name"].encode(),
                then=match["then"].encode() if match["then"] else None,
                then_preempts=not match["defers"],
                continuous=bool(match["continuous"]),
                weight=int(match["weight"] or 20),
                priority=int(match["priority"] or 0),
                offered=offered,
            )
        )
    return specs


def units(pending: int = 0, head: float = 0) -> Offer:
    return True, head, pending


class Tickets(random.Random):
    """Draws the ticket it is told to, and keeps how many there were to draw from."""

    ticket = 0
    total = 1

    def choices(
        self, population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1
    ) -> list[Any]:
        tickets = [
            each for each, weight in zip(population, weights, strict=True) for _ in range(weight)
        ]
        self.total = len(tickets)
        return [tickets[self.ticket]]


def chances(shares: Mapping[bytes, int]) -> dict[bytes, Fraction]:
    """Weights as parts of one."""
    return {name: Fraction(share, sum(shares.values())) for name, share in shares.items()}


def answers(
    scheduler: Scheduler,
    tickets: Tickets,
    names: Collection[bytes] | None = None,
    runtimes: Collection[bytes] | None = None,
) -> dict[bytes, Fraction]:
    """Each spec that `choose` may answer with its chance; empty if it answers None."""
    picks: Counter[bytes] = Counter()
    tickets.ticket, tickets.total = 0, 1
    while tickets.ticket < tickets.total:
        spec = scheduler.choose(names, runtimes)
        if spec is None:
            return {}
        picks[spec.identity] += 1
        tickets.ticket += 1
    return chances(picks)
