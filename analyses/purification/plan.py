"""Sizes of the theory's world, and the plans made of them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, Self

from torch import Tensor
from typing_extensions import override

from analyses.core.plan import Plan, with_smoke
from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import SparseCoding
from analyses.purification.synthetic_world.training import BiasSchedule, Descent
from cotoolkit.studies.scale import DIGITS_SEEDS

Role = Literal["size", "grid"]


@dataclass(frozen=True)
class SyntheticSetting:
    """One size of the world and of the network, and how long to train; every number a choice [M].

    Attributes:
        name: for tables and figures.
        d: input dimension.
        k: sparsity.
        m: units.
        clean_steps: T_f, of clean training.
        adversarial_steps: T_g, of training on from the clean weights.
        batch: fresh samples a step.
        points: fresh test samples.
        seeds: how many independent worlds; they are numbered from 0.
        role: `size` in the sequence of sizes that trends are read from, `grid` for the dependence on k and d alone.
        full: whether to train the controls and the low-complexity models too.
        sigma_x: norm of the input noise.
    """

    name: str
    d: int
    k: int
    m: int
    clean_steps: int
    adversarial_steps: int
    batch: int
    points: int
    seeds: int
    role: Role = "size"
    full: bool = False
    sigma_x: float = 0.3

    @property
    def coding(self) -> SparseCoding:
        """The data."""
        return SparseCoding(self.d, self.k, sigma_x=self.sigma_x)

    @property
    def descent(self) -> Descent:
        """How weights are updated."""
        return Descent(self.batch)

    @property
    def schedule(self) -> BiasSchedule:
        """The bias during clean training."""
        return BiasSchedule.usual(self.d, self.k, self.clean_steps)

    @property
    def radius(self) -> float:
        """l2 radius of training and judgement, 0.19 / sqrt(k): below the information limit 1 / sqrt(k) [D]."""
        return 0.19 / math.sqrt(self.k)

    @property
    def linf_radius(self) -> float:
        """Radius of linf balls whose corners have the l2 norm 0.24 / sqrt(k)."""
        return 0.24 / math.sqrt(self.k * self.d)

    @property
    def short_steps(self) -> int:
        """Steps of adversarial training with PGD, and of FGM to compare it with: PGD is dear."""
        return self.adversarial_steps // 8

    @property
    def model_steps(self) -> int:
        """Steps of each stage of a low-complexity model; their training is convex and soon done."""
        return self.clean_steps // 5

    def net(self, weights: Tensor) -> SymmetricNet:
        """The network of trained weights, with the schedule's last bias."""
        return SymmetricNet.ruled(weights, self.schedule.late, self.descent.sigma_rho)


class TheoryPlan(Plan):
    """An experiment in the theory's world; none of its networks is a run of the engine.

    Attributes:
        settings: small first.
    """

    settings: tuple[SyntheticSetting, ...]

    @property
    def largest(self) -> SyntheticSetting:
        """The largest setting that has all stages."""
        return [setting for setting in self.settings if setting.full][-1]

    @override
    def at_smoke(self) -> Self:
        one = tuple(dataclasses.replace(setting, seeds=1) for setting in self.settings)
        return super().at_smoke().model_copy(update={"settings": one})

    @property
    @override
    def facts(self) -> dict[str, str]:
        run = self.settings
        return {
            **super().facts,
            "sizes": "; ".join(f"{s.name}: d {s.d}, k {s.k}, m {s.m}, {s.seeds} seeds" for s in run),
            "steps": "; ".join(f"{s.name}: {s.clean_steps} clean, {s.adversarial_steps} adversarial" for s in run),
            "radius": "; ".join(f"{s.name}: l2 {s.radius:.3g}, linf {s.linf_radius:.3g}" for s in run),
        }


def _sized(
    name: str,
    d: int,
    k: int,
    steps: tuple[int, int],
    *,
    seeds: int,
    points: int,
    batch: int,
    role: Role = "size",
    full: bool = False,
) -> SyntheticSetting:
    return SyntheticSetting(name, d, k, 4 * d, *steps, batch=batch, points=points, seeds=seeds, role=role, full=full)


WINDOW_SHARES = (0.4, 0.55, 0.7, 0.9)
"""Sparsities k of the grid at scale laptop, in units of sqrt(d), the upper end of the window for k."""

_CELLS = [
    *((d, round(share * math.sqrt(d))) for d in (100, 144, 256) for share in WINDOW_SHARES),
    *((256, 3), (256, 24)),  # beyond both ends of the window: d^(1/3) is 6.3, d^(1/2) is 16
]

PLANS = with_smoke(
    digits=TheoryPlan(
        name="purification",
        question="is the theory's mechanism there?",
        scale="digits",
        groups={},
        settings=(
            _sized("d49", 49, 6, (400, 400), seeds=len(DIGITS_SEEDS), points=1000, batch=300),
            _sized("d64", 64, 7, (400, 400), seeds=len(DIGITS_SEEDS), points=1000, batch=300),
            _sized("d100-k5", 100, 5, (400, 400), seeds=len(DIGITS_SEEDS), points=1000, batch=300, role="grid"),
            _sized("d100", 100, 9, (500, 500), seeds=len(DIGITS_SEEDS), points=2000, batch=300, full=True),
        ),
    ),
    laptop=TheoryPlan(
        name="purification",
        question="does it follow the theory's powers of d and k?",
        scale="laptop",
        groups={},
        settings=(
            *(
                _sized(f"grid-{d}-{k}", d, k, (600, 600), seeds=3, points=2000, batch=400, role="grid")
                for d, k in _CELLS
            ),
            _sized("tiny", 144, 10, (800, 800), seeds=5, points=4000, batch=600, full=True),
            _sized("small", 256, 14, (800, 800), seeds=5, points=4000, batch=600, full=True),
            _sized("medium", 400, 18, (800, 800), seeds=5, points=4000, batch=600),
        ),
    ),
)
"""By scale: seconds, some minutes, and about half an hour."""
