"""What three papers claim, and what our studies say of it: supported, not supported, or not testable here.

A paper's claim is judged by claims of ours that a machine checked (`core.claims`), read from the result files of
each scale. No number of a paper stands here: in none of the three could the results be read (see the docs).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

SCALES = ("smoke", "laptop")


class PaperClaim(NamedTuple):
    """A claim of a paper, and what of it can be tested.

    Attributes:
        paper: short name.
        statement: the claim, in our words.
        source: the tag of the spec: [P] read in the paper; others are readings of ours.
        study: name of the study that tests it (`cotoolkit analyse STUDY`); empty if none can.
        keys: keys of that study's claims that must all hold.
        limits: what the test does not reach, or why there is none.
    """

    paper: str
    statement: str
    source: str
    study: str
    keys: tuple[str, ...]
    limits: str


def verdict(rows: pd.DataFrame, keys: Iterable[str]) -> str:
    """What our claims say together: "supported" if all hold, "not supported" if one fails, else "undecided".

    Args:
        rows: a study's claims table (columns claim, verdict).
        keys: the claims that count; one that the study did not make is "not tested".
    """
    found = rows.set_index("claim")["verdict"]
    known = [found[key] for key in keys if key in found.index]
    if not known:
        return "not tested"
    if "fails" in known:
        return "not supported"
    return "supported" if all(one == "holds" for one in known) and len(known) == len(list(keys)) else "undecided"


def numbers(rows: pd.DataFrame, keys: Iterable[str]) -> str:
    """Measure, mean and interval of our claims, in words."""
    found = rows.set_index("claim")
    parts = []
    for key in keys:
        if key in found.index:
            row = found.loc[key]
            parts.append(f"{key} {row['mean']:.3g} [{row['low']:.3g}, {row['high']:.3g}], {row['expected']} expected")
    return "; ".join(parts)


def table(claims: Iterable[PaperClaim], folder: Path) -> str:
    """The verdicts as a Markdown table.

    Args:
        claims: what to judge.
        folder: with the studies' claims as STUDY_SCALE_claims.csv.
    """
    lines = ["| paper | claim | source | smoke | laptop | numbers and limits |", "| --- " * 6 + "|"]
    for claim in claims:
        verdicts, details = [], []
        for scale in SCALES:
            file = folder / f"{claim.study.replace('-', '_')}_{scale}_claims.csv"
            if not claim.study or not file.exists():
                verdicts.append("not testable here" if not claim.study else "not run")
                continue
            rows = pd.read_csv(file)
            verdicts.append(verdict(rows, claim.keys))
            if found := numbers(rows, claim.keys):
                details.append(f"{scale}: {found}")
        cells = [
            claim.paper,
            claim.statement,
            claim.source,
            *verdicts,
            ". ".join(part for part in (*details, claim.limits) if part),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
