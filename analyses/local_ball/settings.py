"""Who trains in the study of local-ball training, at which scale.

Three questions share their runs: what the method buys at equal cost, whether the ball must be centred at the adversary,
and which radius prevents catastrophic overfitting (CO). lambda_local was chosen once per setting, on the held-out
points of seed 0 (see docs/local_ball.md), and is the same for all seeds and arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from cotoolkit.config import RunConfig
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study

OFFSETS = (-64, -32, -16, -8, 0, 8, 16, 32, 64)
"""Iterations from the breakpoint of plain FGSM training at which its weights are kept; 0 is the first broken one."""

BEFORE, AFTER = -8, 8
"""Offsets that the prediction is tested with: just before the onset, and just after it (ours)."""

RIVALS = {
    "PGD": ("pgd-2", "pgd-3", "pgd-4"),
    "N-FGSM": ("n_fgsm x1", "n_fgsm x2", "n_fgsm x2.5"),
    "TRADES": ("trades-2", "trades-3"),
    "GradAlign": ("gradalign",),
}
"""Arms by the curve that they make in robust accuracy against cost."""

OURS = {
    "LBT-M": ("lbt m=0", "lbt", "lbt m=3"),
    "LBT-T": ("lbt-t m=0", "lbt-t"),
}
"""The same of local-ball training; `lbt` is preset M, FGSM, one inner step, the plan's rho."""


class Plan(BaseModel):
    """The study at one scale.

    Attributes:
        scale: what its numbers may be taken for.
        why: why FGSM training breaks here, for people.
        settings: configuration data that all arms share.
        seeds: of every arm.
        lambda_local: weight of the local term, in all arms that have one.
        rho: radius of the ball in the arms that do not sweep it.
        rhos: radii of the sweep; `rho` among them.
        gradalign_weight: ours, where the radius is beyond the end of the published law.
        full: all arms; otherwise those of the central questions.
        only: names of arms, if not all of these are wanted; `rhos` must name no others.
        points: test points that the attacks and diagnostics look at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Scale
    why: str
    settings: dict[str, Any]
    seeds: tuple[int, ...] = (0, 1, 2)
    lambda_local: float = 4.0
    rho: float = 0.5
    rhos: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0)
    gradalign_weight: float = 1.0
    full: bool = True
    only: tuple[str, ...] = ()
    points: int = 192

    @property
    def epsilon(self) -> float:
        """Radius of the evaluation, and of the training of all arms but the wide one."""
        return self.config("fgsm", self.seeds[0]).epsilon

    def sweep(self) -> dict[str, float]:
        """Arms of the sweep with their radii."""
        return {"lbt" if rho == self.rho else f"lbt rho={rho:g}": rho for rho in self.rhos}

    def arms(self) -> dict[str, dict[str, Any]]:
        """Configuration data of each arm, over the shared one."""

        def lbt(**fields: Any) -> dict[str, Any]:
            # One point set after the other: the batch statistics of all compared methods are then of one kind.
            own = {"lambda_local": self.lambda_local, "rho": self.rho, "batch_norm": "apart", **fields}
            return {"method": {"name": "local_ball", **own}}

        epochs = self.settings["epochs"]
        wide = float(self.settings["epsilon"]) * (1 + self.rho)
        central = {
            "fgsm": {"method": {"name": "fgsm"}},
            **{arm: lbt(rho=rho) for arm, rho in self.sweep().items()},
            "lbt m=0": lbt(steps=0),
            "lbt m=0 unclipped": lbt(steps=0, clipped=False),
            "centre clean": lbt(centre="clean"),
            "centre corner": lbt(centre="random_corner"),
            "pgd-2": {"method": {"name": "pgd", "steps": 2}},
            "pgd-3": {"method": {"name": "pgd", "steps": 3}},
            "n_fgsm x1": {"method": {"name": "n_fgsm"}},
            "n_fgsm x2": {"method": {"name": "n_fgsm"}, "epochs": 2 * epochs},
            "trades-2": {"method": {"name": "trades", "steps": 2}},
            "gradalign": {"method": {"name": "gradalign", "weight": self.gradalign_weight}},
        }
        more = {
            "lbt m=3": lbt(steps=3),
            "lbt-t m=0": lbt(preset="T", steps=0),
            "lbt-t": lbt(preset="T"),
            "lbt-t no global": lbt(preset="T", lambda_global=0.0),
            "lbt unclipped": lbt(clipped=False),
            "pgd-3 wide": {"method": {"name": "pgd", "steps": 3}, "epsilon": wide},
            "pgd-4": {"method": {"name": "pgd", "steps": 4}},
            "pgd-10": {"method": {"name": "pgd", "steps": 10}},
            "trades-3": {"method": {"name": "trades", "steps": 3}},
            "n_fgsm x2.5": {"method": {"name": "n_fgsm"}, "epochs": round(2.5 * epochs)},
        }
        found = {**central, **more} if self.full else central
        return {arm: found[arm] for arm in self.only} if self.only else found

    def config(self, arm: str, seed: int, keep: Sequence[int] = ()) -> RunConfig:
        """The run of an arm, as the rounds train it."""
        return RunConfig.parse({**self.settings, **self.arms()[arm], "seed": seed, "keep": tuple(keep)})

    def first_round(self) -> Study:
        """All arms; plain FGSM among them tells when it breaks."""
        grids = [{**_one({**self.settings, **own}), "seed": self.seeds} for own in self.arms().values()]
        question = "Does training on local balls around adversaries pay, and which radius prevents CO?"
        return Study(name="local-ball", question=question, scale=self.scale, grids=tuple(grids))

    def second_round(self, breaks: dict[int, int], last: int) -> Study:
        """FGSM again, keeping its weights around the breakpoint.

        Args:
            breaks: breakpoint by seed.
            last: iterations of a run.
        """
        base = {**self.settings, **self.arms()["fgsm"]}
        grids = [
            {**_one({**base, "keep": kept_iterations(found, last)}), "seed": (seed,)} for seed, found in breaks.items()
        ]
        question = "Where along its segment does FGSM's loss peak around the onset of CO?"
        return Study(name="local-ball-onset", question=question, scale=self.scale, grids=tuple(grids))


def kept_iterations(breakpoint_iteration: int, last: int) -> tuple[int, ...]:
    """The iterations around a breakpoint that the run has."""
    around = (breakpoint_iteration + offset for offset in OFFSETS)
    return tuple(iteration for iteration in around if 0 < iteration <= last)


def _one(settings: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """A grid of one point."""
    return {name: (value,) for name, value in settings.items()}


_SMOKE = Plan(
    scale="smoke",
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
)

_LAPTOP = Plan(
    scale="laptop",
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
    full=False,
    points=96,
)

PLANS = {"smoke": _SMOKE, "laptop": _LAPTOP}
