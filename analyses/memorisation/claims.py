"""The claims about memorisation and BAT-style training, by question, each a number per seed.

Sources: [P] said by the paper's abstract, [D] standard, [R] a choice or construction of the specification, [H] a
hypothesis of it. Accuracies are shares; differences are within seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from analyses.core.claims import ClaimRow, claim, judge_claims
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Tables
from analyses.memorisation.plan import BREAKING, MemorisationPlan
from analyses.memorisation.results import MARGIN, BreakingResults, MemorisationResults

FLOOR = 0.05
"""Robust accuracy below which it has no room to fall [R]."""

REACH = 32
"""Iterations before and after a break at which flags are compared; ours."""

Row = ClaimRow[MemorisationResults]
BreakingRow = ClaimRow[BreakingResults]


def _robust_at(event: str, where: str) -> tuple[Row, ...]:
    """Is robust accuracy equivalent, and has it room to fall?"""
    source = "[P] finding (a); margin [R]"
    return (
        claim(
            f"a_{event}_not_lost",
            f"at {where} robust accuracy on them falls by less than a point (one of two one-sided tests)",
            "robust accuracy lost on linked test images",
            below=MARGIN, source=source, value=lambda n: n.lost(event),
        ),
        claim(
            f"a_{event}_not_gained", f"at {where} it rises by less than a point (the other)",
            "robust accuracy lost on linked test images",
            above=-MARGIN, source=source, value=lambda n: n.lost(event),
        ),
        claim(
            f"a_{event}_has_room",
            f"at {where} robust accuracy on them has room to fall; else the two tests say nothing",
            "robust accuracy on linked test images, trained on all",
            above=FLOOR, source="[R] floor guard",
            value=lambda n: n.accuracies.of("adversarial", "all", "linked", event),
        ),
    )  # fmt: skip


def _without_flagged(event: str) -> Row:
    return claim(
        f"b_{event}",
        f"without flagged images, {event} accuracy on typical test images is higher than without as many atypical",
        f"{event} accuracy on typical test images: without flagged less without atypical",
        above=0.0, source="[P] finding (b)",
        value=lambda n: n.gained("without flagged", "without atypical", event=event),
    )  # fmt: skip


def _control(other: str, what: str) -> Row:
    return claim(
        f"c_{other}", f"BAT-style weights give more robust accuracy than {what}",
        f"robust accuracy, all test images: weights less {other}",
        above=0.0, source="[R] control", value=lambda n: n.gained("weights", other, "all"),
    )  # fmt: skip


def _delays(key: str, other: str, what: str, source: str = "[R] control") -> BreakingRow:
    return claim(
        key, f"BAT-style weights delay the break compared with {what}",
        f"share of training until the break: weights less {other}",
        above=0.0, source=source, value=lambda n: n.later("weights", other),
    )  # fmt: skip


def _vanished(n: BreakingResults, arm: str, after: str = "after", before: str = "before") -> pd.Series[float]:
    across = n.across(arm, REACH)
    return across[after] - across[before]


_BOTH = "weights + discrimination"
_TRADE_OFF = "[P] better trade-off"

CLAIMS: dict[str, tuple[Row, ...]] = {
    "memorisation": (
        claim(
            "rare_found", "memorisation from 16 halves finds the planted rare images",
            "area under the curve, by disjoint groups of models",
            above=0.9, source="[R] construction", value=lambda n: n.rare_area(),
        ),
        claim(
            "influence_clean",
            "seeing an atypical image makes an adversarially trained network right on more test images",
            "test images gained per image seen, pairs of halves",
            above=0.0, source="[P] finding (a)", value=lambda n: n.influence("clean"),
        ),
        claim(
            "influence_less_robust", "it gains more clean than robust ones",
            "test images gained: clean less robust, pairs of halves",
            above=0.0, source="[P] finding (a)", value=lambda n: n.influence("clean") - n.influence("robust"),
        ),
    ),
    "benefit": (
        claim(
            "a_clean", "without atypical training images, clean accuracy on the test images they stand for falls",
            "clean accuracy lost on linked test images",
            above=0.0, source="[P] finding (a); margin [R]", value=lambda n: n.lost("clean"),
        ),
        claim(
            "a_clean_specific", "it falls more than without as many typical ones",
            "clean accuracy lost on linked test images, less that without typical images",
            above=0.0, source="[R] control", value=lambda n: n.lost("clean") - n.lost("clean", "without typical"),
        ),
        *_robust_at("robust", "the radius"),
        *_robust_at("robust_small", "half the radius"),
    ),
    "harm": (
        _without_flagged("robust"),
        _without_flagged("clean"),
        claim(
            "b_flags_beat_memorisation", "and higher than without as many of the most memorised",
            "robust accuracy on typical test images: without flagged less without most memorised",
            above=0.0, source="[R] control",
            value=lambda n: n.gained("without flagged", "without most memorised"),
        ),
        claim(
            "b_specific", "the gain is larger than that of clean accuracy in standard training",
            "gain on typical test images: robust, adversarially trained, less clean, standard",
            above=0.0, source="[R] specificity", value=lambda n: n.specific(),
        ),
        claim(
            "b_planted_harm",
            "planted harm is there: without harmful images the threatened sub-clusters are more robust than without "
            "benign",
            "robust accuracy on threatened sub-clusters: without harmful less without benign",
            above=0.0, source="[R] construction",
            value=lambda n: n.gained("without harmful", "without benign", "threatened"),
        ),
        claim(
            "b_threatened", "leaving out flagged images helps the threatened sub-clusters",
            "robust accuracy on threatened sub-clusters: without flagged less without atypical",
            above=0.0, source="[P] finding (b)",
            value=lambda n: n.gained("without flagged", "without atypical", "threatened"),
        ),
    ),
    "methods": (
        claim(
            "c_robust", "BAT-style weights give more robust accuracy than plain adversarial training",
            "robust accuracy, all test images: weights less plain",
            above=0.0, source=_TRADE_OFF, value=lambda n: n.gained("weights", "all", "all"),
        ),
        claim(
            "c_clean", "and do not cost a point of clean accuracy",
            "clean accuracy, all test images: weights less plain",
            above=-MARGIN, source=f"{_TRADE_OFF}; margin [R]",
            value=lambda n: n.gained("weights", "all", "all", "clean"),
        ),
        claim(
            "c_both_clean", "weights and discrimination loss do not cost a point of clean accuracy",
            "clean accuracy, all test images: weights + discrimination less plain",
            above=-MARGIN, source=f"{_TRADE_OFF}; margin [R]",
            value=lambda n: n.gained(_BOTH, "all", "all", "clean"),
        ),
        claim(
            "c_both_robust", "and give more robust accuracy than plain adversarial training",
            "robust accuracy, all test images: weights + discrimination less plain",
            above=0.0, source=_TRADE_OFF, value=lambda n: n.gained(_BOTH, "all", "all"),
        ),
        _control("permuted", "the same weights at random"),
        _control("scaled", "the same effect on the learning rate"),
        _control("opposite", "weighing down the unflagged"),
        _control("dom", "dropping the well fitted (DOM-RE)"),
    ),
    "flags": (
        claim(
            "flags_enriched", "flagged images are more often atypical",
            "P(memorisation > 0.25 | flagged) / P(memorisation > 0.25)",
            above=1.0, source="[R] 4.4", value=lambda n: n.flags("enrichment"),
        ),
        claim(
            "flags_rank", "the confidence of the wrong class halfway through training ranks memorisation",
            "area under the curve",
            above=0.5, source="[R] 4.4", value=lambda n: n.flags("area"),
        ),
        claim(
            "flags_stable", "two seeds flag the same images more often than by chance",
            "Jaccard overlap less that of random sets",
            above=0.0, source="[R] 4.4", value=lambda n: n.flags("jaccard") - n.flags("jaccard_random"),
        ),
        claim(
            "flags_harm", "harmful images are flagged more often than benign ones",
            "share flagged: harmful less benign",
            above=0.0, source="[P] the aim; [U] the criterion",
            value=lambda n: n.flags("harmful") - n.flags("benign"),
        ),
        claim(
            "noise_recall",
            "flags find more than half of planted label noise: part of what is called harmful is mislabelled",
            "recall of wrong labels at the end",
            above=0.5, source="[R] 4.4; threshold ours", value=lambda n: n.noise("recall"),
        ),
        claim(
            "noise_precision", "flags are wrong labels more often than by chance",
            "precision less the share of wrong labels",
            above=0.0, source="[R] 4.4", value=lambda n: n.noise("precision") - n.noise("by_chance"),
        ),
    ),
}  # fmt: skip
"""By question: is memorisation found, what do atypical images buy, whom do they harm, do methods help, what is flagged.
"""

ROWS = tuple(row for rows in CLAIMS.values() for row in rows)

BREAKING_ROWS: tuple[BreakingRow, ...] = (
    claim(
        "h_minus_switch_off",
        "when plain FGSM training breaks, flags under its attack vanish: weights would switch themselves off",
        f"flagged share: {REACH} iterations after the break less before",
        below=0.0, source="[H] H-", value=lambda n: _vanished(n, "plain"),
    ),
    claim(
        "h_minus_switch_off_weights", "and so they do where training with them breaks",
        f"flagged share, with weights: {REACH} iterations after the break less before",
        below=0.0, source="[H] H-", value=lambda n: _vanished(n, "weights"),
    ),
    claim(
        "h_minus_clean_error", "they fall to within 5 points of the clean error",
        "flagged share less clean error, after the break",
        below=0.05, source="[H] H-; threshold ours", value=lambda n: _vanished(n, "plain", before="clean_error"),
    ),
    claim(
        "h_minus_pgd", "while more samples would be flagged under PGD",
        f"share flagged under PGD-10: {REACH} iterations after the break less before",
        above=0.0, source="[H] H-", value=lambda n: _vanished(n, "plain", "after_pgd", "before_pgd"),
    ),
    _delays("h_plus_delay", "plain", "plain FGSM training", "[H] H+"),
    _delays("h_plus_permuted", "permuted", "the same weights at random"),
    _delays("h_plus_scaled", "scaled", "the same effect on the learning rate"),
    _delays("h_plus_opposite", "opposite", "weighing down the unflagged"),
    claim(
        "h_plus_alignment", "and gradients inside the ball are better aligned before it",
        "gradient alignment at the last look before plain training breaks: weights less plain",
        above=0.0, source="[H] H+", value=lambda n: n.alignment_gain("weights"),
    ),
    claim(
        "atypical_cause_breaks",
        "without half of the atypical images the break comes later than without as many typical ones",
        "share of training until the break: without atypical less without typical",
        above=0.0, source="[H] 5", value=lambda n: n.later("without atypical", "without typical"),
    ),
)  # fmt: skip
"""Two hypotheses on catastrophic overfitting: weights delay it (H+), or vanish (H-)."""


def judge_memorisation(plan: MemorisationPlan, tables: Tables) -> Mapping[str, list[ClaimResult]]:
    """All claims that the tables can be asked about.

    Args:
        plan: the study.
        tables: of `analyses.memorisation.study.collect_memorisation`.

    Returns:
        Results by setting, and those about the break; keys of those not of the first setting carry its name.
    """
    judged = {}
    measured = set(tables["images"]["setting"]) if plan.radii else set()
    for place, setting in enumerate(plan.radii):
        if setting not in measured:
            continue
        rows = ROWS if plan.seeds(setting) else CLAIMS["memorisation"]
        suffix = f" ({setting})" if place else ""
        named = [replace(row, claim=replace(row.claim, key=row.claim.key + suffix)) for row in rows]
        judged[setting] = judge_claims(named, MemorisationResults(of_setting(tables, setting)), only_known=True)
    if BREAKING in plan.groups:
        results = BreakingResults(tables["course"], tables["onsets"])
        judged["catastrophic overfitting"] = judge_claims(BREAKING_ROWS, results, only_known=True)
    return judged


def of_setting(tables: Tables, setting: str) -> dict[str, pd.DataFrame]:
    """The tables of one setting, without the column that names it."""
    return {
        name: table[table["setting"] == setting].drop(columns="setting")
        for name, table in tables.items()
        if "setting" in table
    }
