"""Claims of the analysis, judged on a recipe's table, with their sources as figures word them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from analyses.core.claims import ClaimResult
from analyses.memorisation.answers import controls
from analyses.memorisation.claim_list import ClaimList
from analyses.memorisation.effects import Accuracies

_TRADE_OFF = "ours: reconstructed [U], after the paper's better trade-off [P]"
WORDS = {
    "[P] finding (a); margin [R]": "paper [P]: finding (a); margin ours [R]",
    "[R] floor guard": "ours: floor guard [R]",
    "[P] finding (b)": "paper [P]: finding (b); flags are reconstructed",
    "[R] construction": "ours: planted construction [R]",
    "[R] control": "ours: control [R]",
    "[R] specificity": "ours: specificity [R]",
    "[P] better trade-off": _TRADE_OFF,
    "[P] better trade-off; margin [R]": _TRADE_OFF,
    "[R] 4.4": "ours: 4.4 [R]",
    "[R] 4.4; threshold ours": "ours: 4.4 [R]",
    "[P] the aim; [U] the criterion": "ours: reconstructed [U], after the paper's aim [P]",
    "[H] H-": "ours: hypothesis H- [R]",
    "[H] H-; threshold ours": "ours: hypothesis H- [R]",
    "[H] H+": "ours: hypothesis H+ [R]",
}
"""By the tag in `analyses.memorisation`."""

PLAIN = "all"
"""Adversarial training on the whole set, as the analysis names the arm."""


def sourced(results: Iterable[ClaimResult]) -> list[ClaimResult]:
    """Claims with the tag of the spec written out."""
    return [
        dataclasses.replace(result, claim=dataclasses.replace(result.claim, source=_source(result)))
        for result in results
    ]


def _source(result: ClaimResult) -> str:
    # Whom flagged images threaten is known on planted data alone; that design is none of the paper's.
    return "ours: planted construction [R]" if result.claim.key == "b_threatened" else WORDS[result.claim.source]


def asked(data: pd.DataFrame, ask: Callable[[ClaimList, Accuracies], None]) -> list[ClaimResult]:
    """What some claims of the analysis find in a table of accuracies."""
    claims = ClaimList()
    ask(claims, Accuracies(data))
    return sourced(claims.results)


def control_claims(data: pd.DataFrame, keys: Sequence[str]) -> list[ClaimResult]:
    """Those about BAT-style training and its controls, by key."""
    return [result for result in asked(data, controls) if result.claim.key in keys]
