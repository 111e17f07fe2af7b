"""How verdicts are called, and counted; importing this costs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

Verdict = Literal["holds", "fails", "undecided", "untestable", "fact", "shown"]
"""What the seeds say of a claim.

- `holds`, `fails`: the number lies on the claimed side of the threshold, or on the other, by the interval or test that
  its kind calls for (`seed_measures`).
- `undecided`: neither.
- `untestable`: a premise of the claim does not hold or is not established, so that the number says nothing.
- `fact`: the number is the same in every seed, on the claimed side: seeds are no evidence for what does not depend on
  them. Where events are counted, or two groups compared by a test, seeds that agree are evidence, and the claim holds.
- `shown`: fewer than `LEAST_SEEDS` seeds (`seed_measures`), so few that no outcome could have put the number on the
  claimed side, or no test at all, as `Claim.unjudged` says why: shown, and not judged.
"""

WORDS: dict[Verdict, str] = {
    "holds": "supported",
    "fails": "not supported",
    "undecided": "inconclusive",
    "untestable": "not testable here",
    "fact": "the same in every seed",
    "shown": "shown",
}
"""Verdicts as pages and records say them."""

UNMET: dict[Verdict, str] = {
    "fails": "does not hold",
    "undecided": "is not established with {seeds} seeds",
    "shown": "is not judged with {seeds} seeds",
}
"""What is said of a premise that claims cannot rest on; one that is not testable names its own premise."""

JUDGED: tuple[Verdict, ...] = ("holds", "fails", "undecided")
"""Verdicts of claims that were asked and could have come out otherwise."""

_ASKED = [WORDS[verdict] for verdict in (*JUDGED, "untestable")]


def tally(words: Iterable[str]) -> str:
    """How many verdicts there are of each kind; what was not judged stands apart.

    >>> tally(["supported", "inconclusive", "the same in every seed", "supported"])
    '2 supported, 1 inconclusive; 1 the same in every seed'

    Args:
        words: of `WORDS`.

    Returns:
        The counts in words; "none" without any.
    """
    found = Counter(words)
    judged = ", ".join(f"{found[word]} {word}" for word in _ASKED if found[word])
    others = (f"{found[word]} {word}" for word in (WORDS["fact"], WORDS["shown"]) if found[word])
    return "; ".join(filter(None, (judged, *others))) or "none"
