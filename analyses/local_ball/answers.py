"""The claims about local-ball training, by question, each a number per seed.

Sources: [P] an idea of the paper's abstract; [R] a prediction of our spec; thresholds are ours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from analyses.core.claims import Claim, ClaimResult, check
from analyses.local_ball.outcomes import area_between, escape_radius, predicted_right
from analyses.local_ball.settings import AFTER, BEFORE, OURS, RIVALS, Plan

ROBUST = "robust"
"""Accuracy under the worst of PGD-50, PGD on the margin and the Square attack, point by point."""

REAL = 0.5
"""A run that escaped is robust in earnest if it has this share of PGD-3's robust accuracy (ours)."""


class Numbers:
    """Reads the study's tables: numbers by seed, nan where there are none.

    Args:
        plan: the study.
        outcomes: what `analyses.local_ball.outcomes.outcomes` returns.
        measures: what the measurements of `analyses.local_ball.measure` return, together.
    """

    def __init__(self, plan: Plan, outcomes: pd.DataFrame, measures: pd.DataFrame) -> None:
        self.plan, self.outcomes, self.measures = plan, outcomes, measures
        self.seeds = list(plan.seeds)

    def of(self, arm: str, column: str = ROBUST) -> pd.Series[float]:
        """A column of the outcomes."""
        rows = self.outcomes[self.outcomes["arm"] == arm].set_index("seed")
        return rows[column].astype(float).reindex(self.seeds)

    def less(self, arm: str, other: str, column: str = ROBUST) -> pd.Series[float]:
        """One arm less another, seed by seed."""
        return self.of(arm, column) - self.of(other, column)

    def measured(
        self, arm: str, statistic: str, *, offset: int | None = None, place: float | None = None
    ) -> pd.Series[float]:
        """A measure; of the finished network, or at an offset from the breakpoint."""
        rows = self.measures[(self.measures["arm"] == arm) & (self.measures["statistic"] == statistic)]
        rows = rows[rows["offset"].isna() if offset is None else rows["offset"] == offset]
        rows = rows[rows["place"].isna() if place is None else np.isclose(rows["place"].astype(float), place)]
        return rows.set_index("seed")["value"].astype(float).reindex(self.seeds)

    def area(self, family: str) -> pd.Series[float]:
        """Mean height of LBT-M's curve of robust accuracy against cost above a rival's."""
        return pd.Series({seed: self._area(seed, family) for seed in self.seeds})

    def _area(self, seed: int, family: str) -> float:
        own = self.outcomes[self.outcomes["seed"] == seed]
        ours, rival = (own[own["arm"].isin(arms)].dropna(subset=ROBUST) for arms in (OURS["LBT-M"], RIVALS[family]))
        if ours.empty or rival.empty:
            return float("nan")
        return area_between(ours["cost"], ours[ROBUST], rival["cost"], rival[ROBUST])

    def sweep(self, seed: int) -> tuple[list[float], list[bool]]:
        """Radii of the sweep, and whether the runs of a seed escaped CO."""
        arms = self.plan.sweep()
        rows = self.outcomes[(self.outcomes["seed"] == seed)].set_index("arm")
        return list(arms.values()), [bool(rows.loc[arm, "escaped"]) for arm in arms]

    def real(self) -> pd.Series[float]:
        """Share of the sweep's escaped runs that are robust under all attacks; nan where none escaped."""
        sweep = self.outcomes[self.outcomes["arm"].isin(self.plan.sweep()) & self.outcomes["escaped"]]
        needed = REAL * self.of("pgd-3").reindex(sweep["seed"]).to_numpy()
        return (sweep[ROBUST] > needed).astype(float).groupby(sweep["seed"]).mean().reindex(self.seeds)

    def radius(self) -> pd.Series[float]:
        """The radius from which on LBT escapes CO; nan where FGSM does not break, infinite where LBT never escapes."""
        broke = self.of("fgsm", "breakpoint").notna()
        return pd.Series({seed: escape_radius(*self.sweep(seed)) for seed in self.seeds}).where(broke)

    def miss(self, offset: int) -> pd.Series[float]:
        """How far that radius is from the median of 1 - t* of plain FGSM training at an offset.

        Where no radius of the sweep escapes, at least as far as its largest.
        """
        radius = self.radius().clip(upper=max(self.plan.rhos))
        return (radius - self.measured("fgsm", "needed_median", offset=offset)).abs()

    def right(self, offset: int) -> pd.Series[float]:
        """Share of the sweep's runs that the rule predicts right."""
        needed = self.measured("fgsm", "needed_median", offset=offset)
        known = needed.dropna()
        found = {seed: predicted_right(*self.sweep(seed), known[seed]) for seed in known.index}
        return pd.Series(found, dtype=float).reindex(self.seeds)


def claims_of(numbers: Numbers) -> dict[str, list[ClaimResult]]:
    """All claims that the plan's arms can be asked about, by question."""
    groups = {"cost": _cost(), "centre": _centre(), "onset": _onset(numbers.plan)}
    known = set(numbers.plan.arms())
    return {
        group: [check(claim, values(numbers).to_numpy()) for needed, claim, values in asked if needed <= known]
        for group, asked in groups.items()
    }


_Asked = tuple[set[str], Claim, Callable[[Numbers], "pd.Series[float]"]]
"""Arms that a claim needs, the claim, and its number by seed."""


def _cost() -> list[_Asked]:
    def above(family: str) -> Callable[[Numbers], pd.Series[float]]:
        return lambda numbers: numbers.area(family)

    asked: list[_Asked] = [
        (
            {"lbt", RIVALS[family][0]},
            Claim(
                f"above_{family.lower().replace('-', '_')}",
                f"at equal cost local-ball training is more robust than {family}",
                f"robust accuracy: mean height of LBT-M's curve against cost above that of {family}",
                "above",
                0.0,
                0.0,
                "[P] claim T, measured as [R]",
            ),
            above(family),
        )
        for family in RIVALS
    ]
    asked.append(
        (
            {"lbt", "pgd-10"},
            Claim(
                "weak_matches_strong",
                "with a weak adversary it is at most 1 point less robust than PGD-10 training",
                "robust accuracy: LBT-M less PGD-10",
                "above",
                -0.01,
                0.0,
                "[P] claim W, margin [R]",
            ),
            lambda numbers: numbers.less("lbt", "pgd-10"),
        )
    )
    return asked


def _centre() -> list[_Asked]:
    def difference(arm: str, other: str) -> Callable[[Numbers], pd.Series[float]]:
        return lambda numbers: numbers.less(arm, other)

    rows = [
        (
            "adversary_beats_clean",
            "a ball centred at the adversary beats one at the clean image, at equal rho, lambda and steps",
            "lbt",
            "centre clean",
            "[P] idea, test [R]",
        ),
        (
            "adversary_beats_corner",
            "it beats one at a random corner of the threat set",
            "lbt",
            "centre corner",
            "[P] idea, test [R]",
        ),
        (
            "beats_wider_training",
            "an unclipped ball beats PGD training of equal cost at a radius as large as it reaches, (1 + rho) epsilon",
            "lbt unclipped",
            "pgd-3 wide",
            "[R]",
        ),
        (
            "global_term_needed",
            "without the global term, and the base loss at the clean image, local smoothness gives less robustness",
            "lbt-t",
            "lbt-t no global",
            "[P] idea, test [R]",
        ),
    ]
    return [
        (
            {arm, other},
            Claim(key, statement, f"robust accuracy: {arm} less {other}", "above", 0.0, 0.0, source),
            difference(arm, other),
        )
        for key, statement, arm, other, source in rows
    ]


def _onset(plan: Plan) -> list[_Asked]:
    step = "share of training"
    return [
        (
            {"lbt"},
            Claim(
                "delays_break",
                "local-ball training over FGSM breaks later than FGSM, or not at all",
                f"onset of CO, {step} (1 where there is none): LBT-M less FGSM",
                "above",
                0.0,
                0.0,
                "[R]",
            ),
            lambda numbers: numbers.less("lbt", "fgsm", "onset"),
        ),
        (
            {"lbt"},
            Claim(
                "threshold_after",
                "the radius from which on runs escape CO is the median of 1 - t* just after plain FGSM's onset",
                "distance between the two, in units of epsilon",
                "below",
                0.25,
                0.0,
                "[R] prediction 1",
            ),
            lambda numbers: numbers.miss(AFTER),
        ),
        (
            {"lbt"},
            Claim(
                "threshold_before",
                "it is the median of 1 - t* just before the onset",
                "distance between the two, in units of epsilon",
                "below",
                0.25,
                0.0,
                "[R] prediction 1",
            ),
            lambda numbers: numbers.miss(BEFORE),
        ),
        (
            {"lbt"},
            Claim(
                "if_and_only_if",
                "a run escapes if and only if rho exceeds the median of 1 - t* just after the onset",
                "share of the sweep's runs predicted right",
                "above",
                0.8,
                0.5,
                "[R] prediction 1",
            ),
            lambda numbers: numbers.right(AFTER),
        ),
        (
            {"lbt m=0", "lbt m=0 unclipped"},
            Claim(
                "clipping_helps",
                "with random points (m = 0) the clipped ball, which steps back along the segment, breaks later than "
                "the unclipped one",
                f"onset of CO, {step}: clipped less unclipped",
                "above",
                0.0,
                0.0,
                "[R] prediction 2",
            ),
            lambda numbers: numbers.less("lbt m=0", "lbt m=0 unclipped", "onset"),
        ),
        (
            {"lbt", "lbt m=0"},
            Claim(
                "steps_help",
                "one inner step breaks later than random points at equal rho and lambda",
                f"onset of CO, {step}: m = 1 less m = 0",
                "above",
                0.0,
                0.0,
                "[R] prediction 2",
            ),
            lambda numbers: numbers.less("lbt", "lbt m=0", "onset"),
        ),
        (
            {"lbt"},
            Claim(
                "step_is_gamed",
                "the local step itself is gamed: it finds less than half of what a strong search finds in the ball",
                "KL found by one step, as a share of that by 20 steps from 5 starts, finished network",
                "below",
                0.5,
                1.0,
                "[R] prediction 3",
            ),
            lambda numbers: (
                numbers.measured("lbt", "search_own", place=plan.rho)
                / numbers.measured("lbt", "search_strong", place=plan.rho)
            ),
        ),
        (
            {"lbt"},
            Claim(
                "smooth_beyond",
                "smoothness reaches beyond the trained ball: at twice its radius the worst KL is below that of PGD-3",
                "worst KL in the ball of 2 rho: LBT-M less PGD-3, nats",
                "below",
                0.0,
                0.0,
                "[R] D1",
            ),
            lambda numbers: (
                numbers.measured("lbt", "kappa_worst", place=2 * plan.rho)
                - numbers.measured("pgd-3", "kappa_worst", place=2 * plan.rho)
            ),
        ),
        (
            {"lbt", "pgd-3"},
            Claim(
                "escape_is_real",
                "runs of the sweep that show no break are robust: no gradient is hidden",
                f"share of them with at least {REAL:.0%} of PGD-3's robust accuracy",
                "above",
                0.8,
                1.0,
                "[R] D8",
            ),
            lambda numbers: numbers.real(),
        ),
        (
            {"lbt"},
            Claim(
                "not_masked",
                "attacks that hidden gradients do not stop are at most 3 points stronger than PGD-50",
                "PGD-50 accuracy less robust accuracy, LBT-M",
                "below",
                0.03,
                0.0,
                "[R] D8",
            ),
            lambda numbers: numbers.of("lbt", "hidden"),
        ),
        (
            {"lbt"},
            Claim(
                "moves_outside",
                "counter-hypothesis: where no break shows, the loss still peaks inside the segment, outside the ball",
                "median of 1 - t* of the finished LBT-M network, less rho",
                "above",
                0.0,
                0.0,
                "[R] counter-hypothesis",
            ),
            lambda numbers: numbers.measured("lbt", "needed_median") - plan.rho,
        ),
    ]
