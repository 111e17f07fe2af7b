"""The claims about memorisation and BAT-style training, by question, each a number per seed.

Sources: [P] said by the paper's abstract, [D] standard, [R] a choice or construction of the specification, [H] a
hypothesis of it. Accuracies are shares; differences are within seeds.
"""

from __future__ import annotations

from analyses.core.claims import ClaimRow, claim
from analyses.core.judging.premises import PREMISE, ROBUST, training
from analyses.memorisation.results import MARGIN, MemorisationResults

FLOOR = 0.05
"""Robust accuracy below which it has no room to fall [R]."""

CEILING = 0.99
"""Accuracy above which it has no room to rise (ours)."""

LEAST = 0.5
"""Accuracy above which a network counts as trained (ours)."""

Row = ClaimRow[MemorisationResults]

_NAMES = {
    "clean": "clean accuracy",
    "robust": "PGD-10 accuracy at the radius",
    "robust_small": "PGD-10 accuracy at half the radius",
}


def _on(group: str, event: str) -> str:
    """What is measured of a group of test images; all of that group are."""
    tests = "all test images" if group == "all" else f"all {group} test images"
    return f"{_NAMES[event]} on {tests}"


def _reaches(
    arm: str,
    group: str,
    event: str,
    *,
    above: float | None = None,
    below: float | None = None,
    kind: str = "adversarial",
) -> Row:
    """Premise: an accuracy leaves room, or is high enough to mean anything."""
    verb = "reaches" if below is None else "stays below"
    least = above if below is None else below
    training = f"{kind} training {'on all images' if arm == 'all' else f'({arm})'}"
    return claim(
        f"room_{event}", f"{training} {verb} {least:.0%} {_on(group, event)}", f"{_on(group, event)}, {arm}",
        above=above, below=below, source=PREMISE, value=lambda n: n.accuracies.of(kind, arm, group, event),
    )  # fmt: skip


def _not_lost(event: str, where: str) -> Row:
    """Robust accuracy is as good without them, where it has room to fall."""
    return claim(
        f"a_{event}_not_lost",
        "Without atypical training images, robust accuracy on the test images they stand for falls by less than a "
        f"point at {where}",
        f"{_on('linked', event)}, lost",
        below=MARGIN, source="[P] finding (a); margin [R]",
        premises=[_reaches("all", "linked", event, above=FLOOR)], value=lambda n: n.lost(event),
    )  # fmt: skip


def _without_flagged(event: str) -> Row:
    return claim(
        f"b_{event}",
        f"Without flagged images, {event} accuracy on typical test images is higher than without as many atypical",
        f"{_on('typical', event)}: without flagged minus without atypical",
        above=0.0, source="[P] finding (b)", premises=[_reaches("without atypical", "typical", event, below=CEILING)],
        value=lambda n: n.gained("without flagged", "without atypical", event=event),
    )  # fmt: skip


def _control(other: str, what: str) -> Row:
    return claim(
        f"c_{other}", f"BAT-style weights give more robust accuracy than {what}",
        f"{_on('all', 'robust')}: weights minus {other}",
        above=0.0, source="[R] control", value=lambda n: n.gained("weights", other, "all"),
        premises=[
            _reaches(other, "all", "robust", above=ROBUST), _reaches(other, "all", "robust", below=CEILING),
        ],
    )  # fmt: skip


_BOTH = "weights + discrimination"
_BOTH_TRAIN: Row = training(
    f"training with weights and discrimination loss ({_BOTH})",
    f"share of seeds with {_on('all', 'clean')} above {LEAST:g} and {_NAMES['robust']} above {ROBUST:g}, {_BOTH}",
    lambda n: n.trained(_BOTH, LEAST),
)
_TRADE_OFF = "[P] better trade-off"
_PLAIN_LEARNED = _reaches("all", "all", "clean", above=LEAST)
_PLAIN_ROBUST = _reaches("all", "all", "robust", above=ROBUST)
_PLAIN_ROOM = _reaches("all", "all", "robust", below=CEILING)
_INFLUENCE: Row = claim(
    "influence_clean",
    "Seeing an atypical image makes an adversarially trained network right on more test images",
    "clean test images gained per image seen, pairs of halves",
    above=0.0, source="[P] finding (a)", value=lambda n: n.influence("clean"),
)  # fmt: skip
_PLANTED_HARM: Row = claim(
    "b_planted_harm",
    "Planted harm is there: without harmful images the threatened sub-clusters are more robust than without benign",
    f"{_on('threatened', 'robust')}: without harmful minus without benign",
    above=0.0, source="[R] construction", value=lambda n: n.gained("without harmful", "without benign", "threatened"),
)  # fmt: skip
_FLAGS: Row = claim(
    "flags_there", "Some images are flagged at the end of training", "share of training images flagged",
    above=0.01, source=PREMISE, value=lambda n: n.flags("flagged"),
)  # fmt: skip

CLAIMS: dict[str, tuple[Row, ...]] = {
    "memorisation": (
        _INFLUENCE,
        claim(
            "influence_less_robust",
            "Seeing an atypical image gains an adversarially trained network more clean than robust test images",
            "test images gained: clean minus robust (PGD-10 at the radius), pairs of halves",
            above=0.0, source="[P] finding (a)", premises=[_INFLUENCE],
            value=lambda n: n.influence("clean") - n.influence("robust"),
        ),
        claim(
            "rare_found", "Memorisation from 16 halves finds the planted rare images",
            "area under the curve, by disjoint groups of models",
            above=0.9, source="[R] construction", value=lambda n: n.rare_area(),
        ),
    ),
    "benefit": (
        claim(
            "a_clean", "Without atypical training images, clean accuracy on the test images they stand for falls",
            f"{_on('linked', 'clean')}, lost",
            above=0.0, source="[P] finding (a); margin [R]",
            premises=[_reaches("all", "linked", "clean", above=LEAST)], value=lambda n: n.lost("clean"),
        ),
        _not_lost("robust", "the radius"),
        _not_lost("robust_small", "half the radius"),
        claim(
            "a_clean_specific",
            "Without atypical training images, clean accuracy on the test images they stand for falls more than "
            "without as many typical ones",
            f"{_on('linked', 'clean')}, lost minus lost without typical images",
            above=0.0, source="[R] control", premises=[_reaches("all", "linked", "clean", above=LEAST)],
            value=lambda n: n.lost("clean") - n.lost("clean", "without typical"),
        ),
    ),
    "harm": (
        _without_flagged("robust"),
        _without_flagged("clean"),
        claim(
            "b_flags_beat_memorisation",
            "Without flagged images, robust accuracy on typical test images is higher than without as many of the most "
            "memorised",
            f"{_on('typical', 'robust')}: without flagged minus without most memorised",
            above=0.0, source="[R] control",
            premises=[_reaches("without most memorised", "typical", "robust", below=CEILING)],
            value=lambda n: n.gained("without flagged", "without most memorised"),
        ),
        claim(
            "b_specific",
            "Leaving flagged images out gains more robust accuracy in adversarial than clean accuracy in standard "
            "training",
            f"{_on('typical', 'robust')}, gained, minus clean accuracy gained in standard training",
            above=0.0, source="[R] specificity", value=lambda n: n.specific(),
            premises=[
                _reaches("without atypical", "typical", "robust", below=CEILING),
                _reaches("without atypical", "typical", "clean", below=CEILING, kind="standard"),
            ],
        ),
        _PLANTED_HARM,
        claim(
            "b_threatened", "Leaving out flagged images helps the threatened sub-clusters",
            f"{_on('threatened', 'robust')}: without flagged minus without atypical",
            above=0.0, source="[P] finding (b)",
            premises=[_PLANTED_HARM, _reaches("without atypical", "threatened", "robust", below=CEILING)],
            value=lambda n: n.gained("without flagged", "without atypical", "threatened"),
        ),
    ),
    "methods": (
        claim(
            "c_robust", "BAT-style weights give more robust accuracy than plain adversarial training",
            f"{_on('all', 'robust')}: weights minus plain",
            above=0.0, source=_TRADE_OFF, premises=[_PLAIN_ROBUST, _PLAIN_ROOM],
            value=lambda n: n.gained("weights", "all", "all"),
        ),
        claim(
            "c_clean", "BAT-style weights do not cost a point of clean accuracy",
            f"{_on('all', 'clean')}: weights minus plain",
            above=-MARGIN, source=f"{_TRADE_OFF}; margin [R]", premises=[_PLAIN_LEARNED],
            value=lambda n: n.gained("weights", "all", "all", "clean"),
        ),
        claim(
            "c_both_clean", "BAT-style weights and discrimination loss do not cost a point of clean accuracy",
            f"{_on('all', 'clean')}: weights + discrimination minus plain, seeds in which the first trains",
            above=-MARGIN, source=f"{_TRADE_OFF}; margin [R]", premises=[_PLAIN_LEARNED, _BOTH_TRAIN],
            value=lambda n: n.gained(_BOTH, "all", "all", "clean").where(n.trained(_BOTH, LEAST)),
        ),
        claim(
            "c_both_robust",
            "BAT-style weights and discrimination loss give more robust accuracy than plain adversarial training",
            f"{_on('all', 'robust')}: weights + discrimination minus plain, seeds in which the first trains",
            above=0.0, source=_TRADE_OFF, premises=[_PLAIN_ROBUST, _PLAIN_ROOM, _BOTH_TRAIN],
            value=lambda n: n.gained(_BOTH, "all", "all").where(n.trained(_BOTH, LEAST)),
        ),
        _control("permuted", "the same weights at random"),
        _control("scaled", "the same effect on the learning rate"),
        _control("opposite", "weighing down the unflagged"),
        _control("dom", "dropping the well fitted (DOM-RE)"),
    ),
    "flags": (
        claim(
            "flags_harm", "Harmful images are flagged more often than benign ones",
            "share flagged: harmful minus benign",
            above=0.0, source="[P] the aim; [U] the criterion", premises=[_FLAGS],
            value=lambda n: n.flags("harmful") - n.flags("benign"),
        ),
        claim(
            "flags_enriched", "Flagged images are more often atypical",
            "P(memorisation > 0.25 | flagged) / P(memorisation > 0.25)",
            above=1.0, source="[R] 4.4", premises=[_FLAGS], value=lambda n: n.flags("enrichment"),
        ),
        claim(
            "flags_rank", "The confidence of the wrong class halfway through training ranks memorisation",
            "area under the curve",
            above=0.5, source="[R] 4.4", value=lambda n: n.flags("area"),
        ),
        claim(
            "flags_stable", "Two seeds flag the same images more often than by chance",
            "Jaccard overlap minus that of random sets",
            above=0.0, source="[R] 4.4", premises=[_FLAGS],
            value=lambda n: n.flags("jaccard") - n.flags("jaccard_random"),
        ),
        claim(
            "noise_recall",
            "Flags find more than half of planted label noise: part of what is called harmful is mislabelled",
            "recall of wrong labels at the end",
            above=0.5, source="[R] 4.4; threshold ours", value=lambda n: n.noise("recall"),
        ),
        claim(
            "noise_precision", "Flagged images have wrong labels more often than by chance",
            "precision minus the share of wrong labels",
            above=0.0, source="[R] 4.4", value=lambda n: n.noise("precision") - n.noise("by_chance"),
        ),
    ),
}  # fmt: skip
"""By question: is memorisation found, what do atypical images buy, whom do they harm, do methods help, what is flagged.
"""

ROWS = tuple(row for rows in CLAIMS.values() for row in rows)
