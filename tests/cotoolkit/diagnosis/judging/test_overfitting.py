"""Verdicts on catastrophic overfitting agree with their evidence, whatever the shares and the number of points."""

import itertools

import pytest
from scipy.stats import binomtest

from cotoolkit import diagnose
from cotoolkit.diagnosis.budget import BUDGETS
from cotoolkit.diagnosis.judging import overfitting
from cotoolkit.diagnosis.judging.overfitting import Answer
from cotoolkit.diagnosis.judging.verdict import reach_verdict
from cotoolkit.diagnosis.thresholds import ABNORMAL, DISTORTED, FAR_BELOW, KEPT
from tests._helpers.measured import EPSILON, measurements, risen
from tests._helpers.stack import CLASSES, FGSM_HOLDS, Stack, points
from tests._helpers.stack import EPSILON as RADIUS

CO, NOT_ROBUST, INCONCLUSIVE = "catastrophic overfitting", "not robust", "inconclusive"


def wilson(hits, count):
    """By another implementation."""
    interval = binomtest(hits, count).proportion_ci(method="wilson")
    return interval.low, interval.high


def answer(low, high):
    """Whether a number with this interval is at least 0."""
    return Answer.YES if low >= 0 else Answer.NO if high < 0 else Answer.OPEN


def expected(count, clean, fgsm, pgd, signs):
    """Label of a network that attacks fool, from numbers of points; signs are (hits, threshold)."""
    (clean_low, clean_high), (fgsm_low, fgsm_high), (pgd_low, pgd_high) = (
        wilson(hits, count) for hits in (clean, fgsm, pgd)
    )
    floor = max(2 / CLASSES, clean / count / 4)
    answers = [
        answer(fgsm_low - floor, fgsm_high - floor),
        answer(fgsm_low - KEPT * clean_high, fgsm_high - KEPT * clean_low),
        answer(FAR_BELOW * fgsm_low - pgd_high, FAR_BELOW * fgsm_high - pgd_low),
        max(answer(low - at, high - at) for (low, high), at in ((wilson(hits, count), at) for hits, at in signs)),
    ]
    return {Answer.YES: CO, Answer.OPEN: INCONCLUSIVE, Answer.NO: NOT_ROBUST}[min(answers)], answers[-1]


def agrees(verdict, misled):
    """A verdict's reason says nothing that its evidence does not."""
    signs = [one for one in verdict.evidence if "inconclusive" in one.supports or CO in one.supports]
    if "nothing suggests" in verdict.reason or "nothing shows" in verdict.reason:
        assert misled == Answer.NO
        assert any("Hardly a sign" in one.sentence for one in verdict.evidence)
    if verdict.label == CO:
        assert misled == Answer.YES
        assert len([one for one in verdict.speaks_for if one.signal != "accuracy under all attacks"]) >= 3
    if "whether FGSM is misled" in verdict.reason:
        assert misled == Answer.OPEN
        assert any("do not tell" in one.sentence for one in signs)
    assert (verdict.confidence == "low") >= (verdict.label == INCONCLUSIVE)


# --- a stack of networks known by hand --------------------------------------------------------------------------------

SHARES = [
    # of distorted points and of abnormal ones, and how FGSM fares on the rest of what PGD fools
    *((distorted, 0.0, "trap") for distorted in (0.0, 0.03, 0.06, 0.08, 0.1, 0.12, 0.15, 0.19, 0.3, 0.7)),
    *((0.0, abnormal, "trap") for abnormal in (0.05, 0.09, 0.19, 0.5)),
    (0.3, 0.0, "weak"),
    (0.05, 0.05, "weak"),
    (0.05, 0.05, "trap"),
]


def counts_of(count, distorted, abnormal, rest):
    """As in the reported case: clean 0.91, strong attacks 0.01; 0.10 of the points fall late, so FGSM is 0.81."""
    shares = {"wrong": 0.09, "late": 0.10, "robust": 0.01, "band": distorted, "abnormal": abnormal}
    counts = {kind: round(share * count) for kind, share in shares.items()}
    return {**counts, rest: count - sum(counts.values())}


@pytest.mark.parametrize(
    ("budget", "distorted", "abnormal", "rest"),
    [("standard", *shares) for shares in SHARES]
    + [(budget, *shares) for budget in ("quick", "thorough") for shares in SHARES[1::4]],
)
def test_a_network_known_by_hand(budget, distorted, abnormal, rest):
    count = BUDGETS[budget].points
    counts = counts_of(count, distorted, abnormal, rest)
    found = diagnose(Stack(), points(counts), epsilon=RADIUS, budget=cheap(budget), device="cpu")
    seen = found.measurements
    fgsm = sum(counts.get(kind, 0) for kind in FGSM_HOLDS)
    assert round(seen.clean.accuracy.value * count) == count - counts["wrong"]
    assert round(seen.fgsm_at(1, RADIUS).accuracy.value * count) == fgsm
    assert round(seen.pgd.accuracy.value * count) == counts["robust"]
    assert round(seen.segment.distorted.value * count) == counts["band"]
    assert round(seen.segment.abnormal.value * count) == counts["abnormal"]
    assert seen.segment.distorted.points == seen.segment.abnormal.points == count

    # Half way FGSM fools the bands and not yet the late ones, so its accuracy rises by their difference, if positive.
    middle = counts["band"] - counts["late"]
    assert round(seen.radius_rise.rise * count) == max(middle, 0)
    signs = [(counts["band"], DISTORTED), (counts["abnormal"], ABNORMAL)]
    label, misled = expected(count, count - counts["wrong"], fgsm, counts["robust"], signs)
    assert found.verdict.label == label
    agrees(found.verdict, misled)


def cheap(name):
    """The budget's points and FGSM sweep, with less of what the verdict does not depend on here."""
    less = {
        "few": 64, "pgd_radii": (1.0,), "radius_steps": 1, "steps": 10, "step_grid": (1, 2), "strong_steps": 10,
        "restarts": 2, "margin_steps": 2, "smoothed_steps": 1, "smoothed_draws": 1, "queries": 5, "segment": 9,
        "hessian_points": 1, "surface_points": 1, "surface": 2, "targets": 1, "target_steps": 5, "most_steps": 20,
        "most_queries": 5, "second_opinion": False, "evidence_points": 2, "label_classes": 2, "looks": 0,
    }  # fmt: skip
    return BUDGETS[name].model_copy(update=less)


def test_the_reported_case_is_not_called_never_robust():
    """Clean 0.91, FGSM 0.81, strong attack 0.01, and the one sign 0.19: on 64 points its interval begins below 0.1."""
    few = diagnose(Stack(), points(counts_of(64, 0.17, 0.0, "trap")), epsilon=RADIUS, budget="quick", device="cpu")
    assert few.measurements.segment.distorted.low < DISTORTED
    assert few.verdict.label == INCONCLUSIVE
    assert "64 points do not tell whether FGSM is misled" in few.verdict.reason
    more = diagnose(Stack(), points(counts_of(256, 0.19, 0.0, "trap")), epsilon=RADIUS, budget="quick", device="cpu")
    assert more.verdict.label == CO
    assert more.verdict.confidence != "low"


# --- made-up measurements over a grid ---------------------------------------------------------------------------------

GRID = (0.0, 0.05, 0.09, 0.11, 0.15, 0.19, 0.6)


@pytest.mark.parametrize("count", [30, 64, 256, 2000])
@pytest.mark.parametrize("fgsm", [0.1, 0.4, 0.45, 0.5, 0.81])
def test_every_verdict_over_a_grid_of_shares(count, fgsm):
    for pgd, distorted, abnormal in itertools.product((0.01, 0.17), GRID, GRID[:5:2]):
        found = measurements(
            classes=CLASSES, clean=0.91, fgsm=fgsm, pgd=min(pgd, fgsm), worst=0, strong=0, points=count, few=1000,
            distorted=distorted, abnormal=abnormal,
        )  # fmt: skip
        hits = [round(share * count) for share in (0.91, fgsm, min(pgd, fgsm), distorted, abnormal)]
        label, misled = expected(count, *hits[:3], [(hits[3], DISTORTED), (hits[4], ABNORMAL)])
        verdict = reach_verdict(found, EPSILON)
        assert verdict.label == label, (pgd, distorted, abnormal)
        agrees(verdict, misled)


OVERFITTED = {"clean": 0.9, "fgsm": 0.85, "pgd": 0.02, "worst": 0.0}


@pytest.mark.parametrize(
    ("rise", "answered", "label"),
    [
        (risen(1, 0.85, 0.12), Answer.YES, CO),
        (risen(1, 0.85, 0.12, p=0.03), Answer.OPEN, INCONCLUSIVE),
        (risen(1, 0.85, 0.08), Answer.OPEN, INCONCLUSIVE),
        (risen(1, 0.85, 0.05), Answer.NO, NOT_ROBUST),
    ],
)
def test_a_rise_that_may_be_large_leaves_it_open(rise, answered, label):
    assert overfitting.rises(rise, 0.1) == answered
    verdict = reach_verdict(measurements(**OVERFITTED, rise=rise), EPSILON)
    assert verdict.label == label
    agrees(verdict, answered)


def test_a_rise_at_another_radius_that_may_be_large_leaves_it_open():
    found = measurements(
        **{**OVERFITTED, "fgsm": 0.2}, rise=risen(2, 0.8, 0.19), pgd_radii={1.0: 0.02, 2.0: 0.0}
    )  # fmt: skip
    verdict = reach_verdict(found, EPSILON)
    assert verdict.label == INCONCLUSIVE
    assert "whether FGSM is misled at 2 times this epsilon" in verdict.reason


def test_signs_without_a_gap_are_named_and_do_not_decide():
    verdict = reach_verdict(measurements(clean=0.9, fgsm=0.2, pgd=0.0, worst=0.0, distorted=0.15), EPSILON)
    assert verdict.label == NOT_ROBUST
    assert "nothing suggests" not in verdict.reason
    assert "Signs that the one step is misled do not change that" in verdict.reason
    assert verdict.confidence == "moderate"


def test_a_robust_network_with_a_thin_gap_is_not_held_back():
    found = measurements(clean=0.85, fgsm=0.6, pgd=0.45, worst=0.42, points=256, few=128)
    assert overfitting.overfitted(found, EPSILON) == Answer.NO
    assert reach_verdict(found, EPSILON).label == "robust"
