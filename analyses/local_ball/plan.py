"""Who trains in the study of local-ball training, at which scale.

Three questions share their runs: what the method buys at equal cost, whether the ball must be centred at the adversary,
and which radius prevents catastrophic overfitting (CO). lambda_local was chosen once per setting, on the held-out
points of seed 0 (see docs/local_ball.md), and is the same for all seeds and arms.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from analyses.core.plan import ArmGroup, ConfigData, Plan, with_smoke
from cotoolkit.studies.scale import DIGITS_SEEDS

BEFORE, AFTER = -8, 8
"""Offsets that the prediction is tested with: just before the onset, and just after it (ours)."""

BASELINE_ARMS = {
    "PGD": ("pgd-2", "pgd-3", "pgd-4"),
    "N-FGSM": ("n_fgsm x1", "n_fgsm x2", "n_fgsm x2.5"),
    "TRADES": ("trades-2", "trades-3"),
    "GradAlign": ("gradalign",),
}
"""Arms by the curve that they make in robust accuracy against cost; a single arm is a point."""

LBT_ARMS = {
    "LBT-M": ("lbt m=0", "lbt", "lbt m=3"),
    "LBT-T": ("lbt-t m=0", "lbt-t"),
}
"""The same of local-ball training; `lbt` is preset M, FGSM, one inner step, the radius `RHO`."""

DIAGNOSED_ARMS = ("fgsm", "pgd-3", "lbt", "lbt m=0", "centre clean", "centre corner")
"""Arms whose finished networks are looked at closely."""

LAMBDA_LOCAL = 4.0
"""Weight of the local term, in all arms that have one."""

GRADALIGN_WEIGHT = 1.0
"""Ours: the radius is beyond the end of the published law."""

RHO = 0.5
"""Radius of the ball in the arms that do not sweep it."""

RHOS = (0.05, 0.1, 0.25, RHO, 0.75, 1.0, 2.0)
"""Radii of the sweep."""


class LocalBallPlan(Plan):
    """The study at one scale; all its arms train in one group.

    Attributes:
        points: test points that the attacks and diagnostics look at.
    """

    offsets: tuple[int, ...] = (-64, -32, -16, -8, 0, 8, 16, 32, 64)
    points: int = 192

    @property
    def group(self) -> ArmGroup:
        """All arms."""
        (own,) = self.groups.values()
        return own

    @property
    def epsilon(self) -> float:
        """Radius of the evaluation, and of the training of all arms but the wide one."""
        return self.group.config("fgsm", self.group.seeds[0]).epsilon

    def only(self, arms: Collection[str]) -> Self:
        """The same with some of its arms."""
        groups = {name: group.only(arms) for name, group in self.groups.items()}
        return self.model_copy(update={"groups": groups})

    def sweep(self) -> dict[str, float]:
        """Arms of the sweep with their radii."""
        swept = {_swept(rho): rho for rho in RHOS}
        return {arm: swept[arm] for arm in self.group.arms if arm in swept}


def _swept(rho: float) -> str:
    return "lbt" if rho == RHO else f"lbt rho={rho:g}"


def _lbt(**fields: Any) -> ConfigData:
    # One point set after the other: the batch statistics of all compared methods are then of one kind.
    own = {"lambda_local": LAMBDA_LOCAL, "rho": RHO, "batch_norm": "apart", **fields}
    return {"method": {"name": "local_ball", **own}}


def _central_arms(epochs: int) -> dict[str, ConfigData]:
    """Those of the central questions."""
    return {
        "fgsm": {"method": {"name": "fgsm"}},
        **{_swept(rho): _lbt(rho=rho) for rho in RHOS},
        "lbt m=0": _lbt(steps=0),
        "lbt m=0 unclipped": _lbt(steps=0, clipped=False),
        "centre clean": _lbt(centre="clean"),
        "centre corner": _lbt(centre="random_corner"),
        "pgd-2": {"method": {"name": "pgd", "steps": 2}},
        "pgd-3": {"method": {"name": "pgd", "steps": 3}},
        "n_fgsm x1": {"method": {"name": "n_fgsm"}},
        "n_fgsm x2": {"method": {"name": "n_fgsm"}, "epochs": 2 * epochs},
        "trades-2": {"method": {"name": "trades", "steps": 2}},
        "gradalign": {"method": {"name": "gradalign", "weight": GRADALIGN_WEIGHT}},
    }


def _further_arms(epochs: int, epsilon: float) -> dict[str, ConfigData]:
    return {
        "lbt m=3": _lbt(steps=3),
        "lbt-t m=0": _lbt(preset="T", steps=0),
        "lbt-t": _lbt(preset="T"),
        "lbt-t no global": _lbt(preset="T", lambda_global=0.0),
        "lbt unclipped": _lbt(clipped=False),
        "pgd-3 wide": {"method": {"name": "pgd", "steps": 3}, "epsilon": epsilon * (1 + RHO)},
        "pgd-4": {"method": {"name": "pgd", "steps": 4}},
        "pgd-10": {"method": {"name": "pgd", "steps": 10}},
        "trades-3": {"method": {"name": "trades", "steps": 3}},
        "n_fgsm x2.5": {"method": {"name": "n_fgsm"}, "epochs": round(2.5 * epochs)},
    }


_QUESTION = "Does training on local balls around adversaries pay, and which radius prevents CO?"

PLANS = with_smoke(
    digits=LocalBallPlan(
        name="local-ball",
        question=_QUESTION,
        scale="digits",
        groups={
            "digits": ArmGroup(
                why="an injected feature breaks FGSM at a radius that is safe without it (induced)",
                settings={
                    "data": {"name": "digits"},
                    "model": {"name": "small_cnn"},
                    "intervention": {"name": "inject", "carrier": "paired", "beta": 0.15},
                    "box": "none",
                    "epsilon": 0.25,
                    "epochs": 24,
                    "batch_size": 64,
                    "learning_rate": 0.1,
                    "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
                    "monitor": {"interval": 40},
                },
                seeds=DIGITS_SEEDS,
                arms={**_central_arms(24), **_further_arms(24, 0.25)},
            )
        },
    ),
    laptop=LocalBallPlan(
        name="local-ball",
        question=_QUESTION,
        scale="laptop",
        groups={
            "fashion_mnist": ArmGroup(
                why="the radius is high enough to break FGSM on the data as they are (natural)",
                settings={
                    "data": {"name": "fashion_mnist", "train_size": 2500, "test_size": 1000},
                    "model": {"name": "small_cnn", "width": 8},
                    "epsilon": 0.2,
                    "epochs": 8,
                    "batch_size": 64,
                    "learning_rate": 0.05,
                    "monitor": {"interval": 40},
                },
                seeds=(0, 1, 2),
                arms=_central_arms(8),
            )
        },
        points=96,
    ),
)
"""By scale; at laptop only the arms of the central questions."""
