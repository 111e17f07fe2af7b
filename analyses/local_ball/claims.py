"""The claims about local-ball training, by question, each a number per seed.

Sources: [P] an idea of the paper's abstract; [R] a prediction of our spec; thresholds are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analyses.core.claims import ClaimRow, claim, judge_claims
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Tables
from analyses.local_ball.plan import AFTER, BASELINE_ARMS, BEFORE, RHO, LocalBallPlan
from analyses.local_ball.results import MIN_ROBUST_SHARE, LocalBallResults


def _above(family: str) -> ClaimRow[LocalBallResults]:
    return claim(
        f"above_{family.lower().replace('-', '_')}",
        f"at equal cost local-ball training is more robust than {family}",
        f"robust accuracy: mean height of LBT-M's curve against cost above that of {family}",
        above=0.0, source="[P] claim T, measured as [R]", needs=("lbt", BASELINE_ARMS[family][0]),
        value=lambda n: n.area(family),
    )  # fmt: skip


def _less(key: str, statement: str, arm: str, other: str, source: str) -> ClaimRow[LocalBallResults]:
    return claim(
        key, statement, f"robust accuracy: {arm} less {other}",
        above=0.0, source=source, needs=(arm, other), value=lambda n: n.less(arm, other),
    )  # fmt: skip


def _search_share(n: LocalBallResults) -> pd.Series[float]:
    return n.measured("lbt", "search_own", place=RHO) / n.measured("lbt", "search_strong", place=RHO)


def _kappa_beyond(n: LocalBallResults) -> pd.Series[float]:
    return n.measured("lbt", "kappa_worst", place=2 * RHO) - n.measured("pgd-3", "kappa_worst", place=2 * RHO)


_IDEA = "[P] idea, test [R]"
_ONSET = "onset of CO, share of training"
_DISTANCE = "distance between the two, in units of epsilon"

CLAIMS: dict[str, tuple[ClaimRow[LocalBallResults], ...]] = {
    "cost": (
        *(_above(family) for family in BASELINE_ARMS),
        claim(
            "weak_matches_strong",
            "with a weak adversary it is at most 1 point less robust than PGD-10 training",
            "robust accuracy: LBT-M less PGD-10",
            above=-0.01, source="[P] claim W, margin [R]", needs=("lbt", "pgd-10"),
            value=lambda n: n.less("lbt", "pgd-10"),
        ),
    ),
    "centre": (
        _less(
            "adversary_beats_clean",
            "a ball centred at the adversary beats one at the clean image, at equal rho, lambda and steps",
            "lbt", "centre clean", _IDEA,
        ),
        _less(
            "adversary_beats_corner", "it beats one at a random corner of the threat set",
            "lbt", "centre corner", _IDEA,
        ),
        _less(
            "beats_wider_training",
            "an unclipped ball beats PGD training of equal cost at a radius as large as it reaches, (1 + rho) epsilon",
            "lbt unclipped", "pgd-3 wide", "[R]",
        ),
        _less(
            "global_term_needed",
            "without the global term, and the base loss at the clean image, local smoothness gives less robustness",
            "lbt-t", "lbt-t no global", _IDEA,
        ),
    ),
    "onset": (
        claim(
            "delays_break", "local-ball training over FGSM breaks later than FGSM, or not at all",
            f"{_ONSET} (1 where there is none): LBT-M less FGSM",
            above=0.0, source="[R]", needs=("lbt",), value=lambda n: n.less("lbt", "fgsm", "onset"),
        ),
        claim(
            "threshold_after",
            "the radius from which on runs escape CO is the median of 1 - t* just after plain FGSM's onset", _DISTANCE,
            below=0.25, source="[R] prediction 1", needs=("lbt",), value=lambda n: n.miss(AFTER),
        ),
        claim(
            "threshold_before", "it is the median of 1 - t* just before the onset", _DISTANCE,
            below=0.25, source="[R] prediction 1", needs=("lbt",), value=lambda n: n.miss(BEFORE),
        ),
        claim(
            "if_and_only_if", "a run escapes if and only if rho exceeds the median of 1 - t* just after the onset",
            "share of the sweep's runs predicted right",
            above=0.8, null=0.5, source="[R] prediction 1", needs=("lbt",), value=lambda n: n.right(AFTER),
        ),
        claim(
            "clipping_helps",
            "with random points (m = 0) the clipped ball, which steps back along the segment, breaks later than "
            "the unclipped one",
            f"{_ONSET}: clipped less unclipped",
            above=0.0, source="[R] prediction 2", needs=("lbt m=0", "lbt m=0 unclipped"),
            value=lambda n: n.less("lbt m=0", "lbt m=0 unclipped", "onset"),
        ),
        claim(
            "steps_help", "one inner step breaks later than random points at equal rho and lambda",
            f"{_ONSET}: m = 1 less m = 0",
            above=0.0, source="[R] prediction 2", needs=("lbt", "lbt m=0"),
            value=lambda n: n.less("lbt", "lbt m=0", "onset"),
        ),
        claim(
            "step_is_gamed",
            "the local step itself is gamed: it finds less than half of what a strong search finds in the ball",
            "KL found by one step, as a share of that by 20 steps from 5 starts, finished network",
            below=0.5, null=1.0, source="[R] prediction 3", needs=("lbt",), value=_search_share,
        ),
        claim(
            "smooth_beyond",
            "smoothness reaches beyond the trained ball: at twice its radius the worst KL is below that of PGD-3",
            "worst KL in the ball of 2 rho: LBT-M less PGD-3, nats",
            below=0.0, source="[R] D1", needs=("lbt",), value=_kappa_beyond,
        ),
        claim(
            "escape_is_real", "runs of the sweep that show no break are robust: no gradient is hidden",
            f"share of them with at least {MIN_ROBUST_SHARE:.0%} of PGD-3's robust accuracy",
            above=0.8, null=1.0, source="[R] D8", needs=("lbt", "pgd-3"), value=lambda n: n.real(),
        ),
        claim(
            "not_masked", "attacks that hidden gradients do not stop are at most 3 points stronger than PGD-50",
            "PGD-50 accuracy less robust accuracy, LBT-M",
            below=0.03, source="[R] D8", needs=("lbt",), value=lambda n: n.of("lbt", "hidden"),
        ),
        claim(
            "moves_outside",
            "counter-hypothesis: where no break shows, the loss still peaks inside the segment, outside the ball",
            "median of 1 - t* of the finished LBT-M network, less rho",
            above=0.0, source="[R] counter-hypothesis", needs=("lbt",),
            value=lambda n: n.measured("lbt", "needed_median") - RHO,
        ),
    ),
}  # fmt: skip
"""By question: what it buys at equal cost, must the ball be at the adversary, when does training break."""

ROWS = tuple(row for rows in CLAIMS.values() for row in rows)


def judge_local_ball(plan: LocalBallPlan, tables: Tables) -> Mapping[str, list[ClaimResult]]:
    """All claims that the plan's arms can be asked about.

    Args:
        plan: the study.
        tables: "outcomes" and "measures".

    Returns:
        Results by question.
    """
    results = LocalBallResults(plan, tables["outcomes"], tables["measures"])
    return {question: judge_claims(rows, results, arms=plan.group.arms) for question, rows in CLAIMS.items()}
