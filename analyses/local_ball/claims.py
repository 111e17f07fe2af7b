"""The claims about local-ball training, by question.

Sources: [P] an idea of the paper's abstract; [R] a prediction of our spec; thresholds are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analyses.core.claims import ClaimRow, claim, judge_claims
from analyses.core.judging.premises import MOST, OFTEN, PREMISE, ROBUST, breakable, breaking
from analyses.core.judging.seed_measures import SeedShare
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Tables
from analyses.local_ball.plan import AFTER, BASELINE_ARMS, BEFORE, LBT_ARMS, RHO, LocalBallPlan
from analyses.local_ball.results import MIN_ROBUST_SHARE, LocalBallResults

ROBUST_ACCURACY = (
    "accuracy under the worst of PGD-50, PGD-50 on the margin and Square with 300 queries on at least 96 test images"
)


def robust_arm(*arms: str) -> ClaimRow[LocalBallResults]:
    """Premise: one of some arms is robust, in a quarter of the seeds at least; robust accuracy is bimodal."""
    names = " or ".join(arms)
    return claim(
        "robust", f"Training with {names} is robust",
        f"share of seeds with {ROBUST_ACCURACY} above {ROBUST:g}, {names}",
        above=OFTEN, source=PREMISE,
        value=lambda n: SeedShare(np.any([n.of(arm) > ROBUST for arm in arms], axis=0)),
    )  # fmt: skip


def breaking_arm(arm: str, name: str) -> ClaimRow[LocalBallResults]:
    """Premise: an arm overfits catastrophically."""
    return breaking(name, f"share of seeds with a breakpoint, {arm}", lambda n: n.broke(arm))


FGSM_BREAKS = breaking_arm("fgsm", "FGSM training")
LBT_ROBUST = robust_arm("lbt")


def _trains(arm: str) -> ClaimRow[LocalBallResults]:
    """Premise: a run without a breakpoint is robust, and no gradient is hidden from the monitor's probe."""
    return breakable(
        f"training with {arm}",
        f"share of seeds with a breakpoint, or with {ROBUST_ACCURACY} above {ROBUST:g}, {arm}",
        lambda n: n.broke(arm) | (n.of(arm) > ROBUST),
    )


_SEEMS_ROBUST: ClaimRow[LocalBallResults] = claim(
    "seems_robust", "LBT-M is robust to PGD-50",
    f"share of seeds with a PGD-50 accuracy on at least 96 test images above {ROBUST:g}, LBT-M",
    above=OFTEN, source=PREMISE, value=lambda n: SeedShare(n.of("lbt", "pgd-50") > ROBUST),
)  # fmt: skip


def _above(family: str) -> ClaimRow[LocalBallResults]:
    """Claim T of two curves, asked where each has two arms: a single one is a point."""
    arms = BASELINE_ARMS[family]
    return claim(
        f"above_{family.lower().replace('-', '_')}",
        f"At equal cost local-ball training is more robust than {family}",
        f"mean height of LBT-M's curve against cost above that of {family}, over the costs that both span: "
        f"{ROBUST_ACCURACY}",
        above=0.0, source="[P] claim T, measured as [R]", needs=(*LBT_ARMS["LBT-M"][:2], *arms[:2]),
        premises=[robust_arm(*arms)], value=lambda n: n.area(family),
    )  # fmt: skip


def _above_lone(family: str) -> ClaimRow[LocalBallResults]:
    """Claim T against a family of one arm, which has no curve."""
    (arm,) = BASELINE_ARMS[family]
    return claim(
        f"above_{family.lower()}", f"At the cost of {family} local-ball training is more robust than it",
        f"height of LBT-M's curve against cost above {family}, at that cost alone: {ROBUST_ACCURACY}",
        above=0.0, source="[P] claim T, measured as [R]", needs=(*LBT_ARMS["LBT-M"][:2], arm),
        premises=[robust_arm(arm)], value=lambda n: n.height(arm),
    )  # fmt: skip


def _minus(key: str, statement: str, arm: str, other: str, source: str) -> ClaimRow[LocalBallResults]:
    return claim(
        key, statement, f"{arm} minus {other}: {ROBUST_ACCURACY}",
        above=0.0, source=source, needs=(arm, other), premises=[robust_arm(arm, other)],
        value=lambda n: n.minus(arm, other),
    )  # fmt: skip


def _later(key: str, statement: str, arm: str, other: str, source: str) -> ClaimRow[LocalBallResults]:
    return claim(
        key, statement, f"breakpoint, share of training in restricted mean: {arm} minus {other}",
        above=0.0, source=source, needs=(arm, other),
        premises=[FGSM_BREAKS if other == "fgsm" else breaking_arm(other, f"training with {other}"), _trains(arm)],
        value=lambda n: n.later(arm, other),
    )  # fmt: skip


def _threshold(key: str, offset: int, when: str) -> ClaimRow[LocalBallResults]:
    return claim(
        key,
        "The radius from which on training escapes catastrophic overfitting is the median of 1 - t* "
        f"{when} plain FGSM's breakpoint",
        "share of seeds with a breakpoint whose two radii are less than 0.25 epsilon apart",
        above=MOST, source="[R] prediction 1", needs=("lbt",), premises=[FGSM_BREAKS],
        value=lambda n: SeedShare(n.near(offset, 0.25)),
    )  # fmt: skip


def _search_share(n: LocalBallResults) -> pd.Series[float]:
    return n.measured("lbt", "search_own", place=RHO) / n.measured("lbt", "search_strong", place=RHO)


_PLAIN = BASELINE_ARMS["PGD"][0]
"""What LBT-M's masking is measured against, as three attacks gain on one run of PGD-50 where nothing is hidden, too."""


def _hidden_beyond(n: LocalBallResults) -> pd.Series[float]:
    """What hides on LBT-M alone; a network that no point holds out on hides nothing, and is no measure of it."""
    return n.minus("lbt", _PLAIN, "hidden")[n.of(_PLAIN) > ROBUST].dropna()


def _kappa_beyond(n: LocalBallResults) -> pd.Series[float]:
    return n.measured("lbt", "kappa_worst", place=2 * RHO) - n.measured("pgd-3", "kappa_worst", place=2 * RHO)


_IDEA = "[P] idea, test [R]"

CLAIMS: dict[str, tuple[ClaimRow[LocalBallResults], ...]] = {
    "cost": (
        *(_above_lone(family) if len(arms) == 1 else _above(family) for family, arms in BASELINE_ARMS.items()),
        claim(
            "weak_matches_strong",
            "With a weak adversary local-ball training is at most 1 point less robust than PGD-10 training",
            f"lbt minus pgd-10: {ROBUST_ACCURACY}",
            above=-0.01, source="[P] claim W, margin [R]", needs=("lbt", "pgd-10"), premises=[robust_arm("pgd-10")],
            value=lambda n: n.minus("lbt", "pgd-10"),
        ),
    ),
    "centre": (
        _minus(
            "adversary_beats_clean",
            "Training on a ball centred at the adversary is more robust than on one at the clean image, at equal rho, "
            "lambda and steps",
            "lbt", "centre clean", _IDEA,
        ),
        _minus(
            "adversary_beats_corner",
            "Training on a ball centred at the adversary is more robust than on one at a random corner of the threat "
            "set",
            "lbt", "centre corner", _IDEA,
        ),
        _minus(
            "beats_wider_training",
            "Training on an unclipped ball is more robust than PGD training of equal cost at a radius as large as it "
            "reaches, (1 + rho) epsilon",
            "lbt unclipped", "pgd-3 wide", "[R]",
        ),
        _minus(
            "global_term_needed",
            "Without the global term, and the base loss at the clean image, local smoothness gives less robustness",
            "lbt-t", "lbt-t no global", _IDEA,
        ),
    ),
    "onset": (
        _later(
            "delays_break",
            "Catastrophic overfitting comes later in local-ball training over FGSM than in FGSM training, or not at "
            "all", "lbt", "fgsm", "[R]",
        ),
        _threshold("threshold_after", AFTER, "just after"),
        _threshold("threshold_before", BEFORE, "just before"),
        claim(
            "if_and_only_if",
            "Training escapes catastrophic overfitting if and only if rho exceeds the median of 1 - t* just after "
            "plain FGSM's breakpoint",
            "share of seeds with a breakpoint in which the rule is right for every run of the sweep",
            above=MOST, source="[R] prediction 1", needs=("lbt",), premises=[FGSM_BREAKS],
            value=lambda n: SeedShare(n.right(AFTER)),
        ),
        _later(
            "clipping_helps",
            "With random points (m = 0) catastrophic overfitting comes later with the clipped ball, which steps back "
            "along the segment, than with the unclipped one",
            "lbt m=0", "lbt m=0 unclipped", "[R] prediction 2",
        ),
        _later(
            "steps_help",
            "Catastrophic overfitting comes later with one inner step than with random points at equal rho and lambda",
            "lbt", "lbt m=0", "[R] prediction 2",
        ),
        claim(
            "step_is_gamed",
            "The local step itself is gamed: it finds less than half of what a strong search finds in the ball",
            "KL found by one step, as a share of that by 20 steps from 5 starts, finished network",
            below=0.5, null=1.0, source="[R] prediction 3", needs=("lbt",), value=_search_share,
            premises=[
                claim(
                    "found", "A strong search finds a change of the predictions in the ball",
                    "KL found by 20 steps from 5 starts, nats, finished network", above=0.01, source=PREMISE,
                    value=lambda n: n.measured("lbt", "search_strong", place=RHO),
                ),
            ],
        ),
        claim(
            "smooth_beyond",
            "Smoothness reaches beyond the trained ball: at twice its radius the worst KL is below that of PGD-3",
            "worst KL found in the ball of 2 rho: LBT-M minus PGD-3, nats",
            below=0.0, source="[R] D1", needs=("lbt",), premises=[LBT_ROBUST, robust_arm("pgd-3")],
            value=_kappa_beyond,
        ),
        claim(
            "escape_is_real",
            "Runs of the sweep that escape catastrophic overfitting are robust: no gradient is hidden",
            "share of seeds with such runs in which all of them have at least "
            f"{MIN_ROBUST_SHARE:.0%} of PGD-3's {ROBUST_ACCURACY}",
            above=MOST, source="[R] D8", needs=("lbt", "pgd-3"), premises=[FGSM_BREAKS, robust_arm("pgd-3")],
            value=lambda n: SeedShare(n.real()),
        ),
        claim(
            "not_masked",
            "Attacks that hidden gradients do not stop gain at most 3 points more over PGD-50 on LBT-M than on "
            f"{_PLAIN}",
            f"share of seeds, of those with a robust {_PLAIN}, in which PGD-50 accuracy minus the {ROBUST_ACCURACY} is "
            f"at most 3 points larger for LBT-M than for {_PLAIN}",
            above=MOST, source="[R] D8", needs=("lbt", _PLAIN), premises=[_SEEMS_ROBUST, robust_arm(_PLAIN)],
            value=lambda n: SeedShare(_hidden_beyond(n) <= 0.03),
        ),
        claim(
            "moves_outside",
            "Counter-hypothesis: where local-ball training escapes catastrophic overfitting, the loss still peaks "
            "inside the segment, outside the ball",
            "median of 1 - t* of the finished LBT-M networks without a breakpoint, minus rho",
            above=0.0, source="[R] counter-hypothesis", needs=("lbt",), premises=[FGSM_BREAKS],
            value=lambda n: (n.measured("lbt", "needed_median") - RHO).where(~n.broke("lbt")),
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
