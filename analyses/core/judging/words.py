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
- `untestable`: a premise of the claim does not hold, so that the number says nothing.
- `fact`: the number is the same for every seed, on the claimed side: nothing that could have come out otherwise. Where
  two groups are compared by a test, seeds that agree are evidence, and the claim holds.
- `shown`: fewer than `LEAST_SEEDS` seeds (`verdicts`), which are shown and not judged.
"""

WORDS: dict[Verdict, str] = {
    "holds": "supported",
    "fails": "not supported",
    "undecided": "inconclusive",
    "untestable": "not testable here",
    "fact": "a fact",
    "shown": "shown",
}
"""Verdicts as pages and records say them."""

JUDGED: tuple[Verdict, ...] = ("holds", "fails", "undecided")
"""Verdicts of claims that were asked and could have come out otherwise."""

_ASKED = [WORDS[verdict] for verdict in (*JUDGED, "untestable")]


def tally(words: Iterable[str]) -> str:
    """How many verdicts there are of each kind; facts, and what is only shown, stand apart from what was judged.

    >>> tally(["supported", "inconclusive", "a fact", "supported"])
    '2 supported, 1 inconclusive; 1 fact'

    Args:
        words: of `WORDS`.

    Returns:
        The counts in words; "none" without any.
    """
    found = Counter(words)
    judged = ", ".join(f"{found[word]} {word}" for word in _ASKED if found[word])
    facts = f"{found['a fact']} fact{'s' * (found['a fact'] != 1)}" if found["a fact"] else ""
    shown = f"{found['shown']} shown" if found["shown"] else ""
    return "; ".join(part for part in (judged, facts, shown) if part) or "none"
