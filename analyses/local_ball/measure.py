"""What is measured on finished runs, as tidy tables: arm, seed, offset, statistic, place, value.

`offset` counts iterations from the breakpoint (missing for finished networks); `place` is the rho or the t that a
statistic depends on (missing where there is none). Adversaries x' are FGSM's at the study's radius, for every network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from typing_extensions import override

from analyses.core.measurement import Measurement
from analyses.local_ball import diagnostics
from analyses.local_ball.masking import MARGIN_STEPS, QUERIES, masking_checks
from analyses.local_ball.settings import Plan, kept_iterations
from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.methods import LocalBall
from cotoolkit.runs.checkpoints import evaluation_points, trained, trained_series
from cotoolkit.runs.folder import RunFolder

FORMAT = 1
"""Version of what is measured; a change raises it, so that no old table is taken for a new one."""

RHOS = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Radii of the diagnostics, in units of epsilon (spec: D1)."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Onset(Measurement):
    """D7 on plain FGSM training around its breakpoint.

    Attributes:
        plan: the study.
        seed: of the run.
        breakpoint: first broken iteration.
        last: iterations of the run.
    """

    plan: Plan
    seed: int
    breakpoint: int
    last: int

    @property
    @override
    def title(self) -> str:
        return f"onset, seed {self.seed}"

    @property
    @override
    def protocol(self) -> Any:
        return [FORMAT, self.plan.points, self.plan.epsilon, self._kept, diagnostics.FRACTIONS]

    @property
    def _kept(self) -> tuple[int, ...]:
        return kept_iterations(self.breakpoint, self.last)

    @override
    def runs(self, root: Path) -> Sequence[RunFolder]:
        return [RunFolder.of(root, self.plan.config("fgsm", self.seed, self._kept))]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        config = self.plan.config("fgsm", self.seed)
        images, labels, _ = evaluation_points(config).first(self.plan.points)
        models = trained_series(self.runs(root)[0], self._kept)
        tables = []
        for iteration, model in zip(self._kept, models, strict=True):
            adversaries = fgsm_points(model, images, labels, config.threat)
            rows = list(profile_rows(model, images, labels, adversaries, config.threat))
            tables.append(pd.DataFrame(rows).assign(offset=iteration - self.breakpoint))
        return pd.concat(tables).assign(arm="fgsm", seed=self.seed)


@dataclass(frozen=True)
class _OfArm(Measurement):
    """Of the network that a run of the first round ended with.

    Attributes:
        plan: the study.
        arm: whose.
        seed: of the run.
    """

    plan: Plan
    arm: str
    seed: int

    @override
    def runs(self, root: Path) -> Sequence[RunFolder]:
        return [RunFolder.of(root, self.plan.config(self.arm, self.seed))]


@dataclass(frozen=True)
class Finished(_OfArm):
    """Diagnostics D1 to D7 on the network that a run ended with."""

    @property
    @override
    def title(self) -> str:
        return f"{self.arm}, seed {self.seed}"

    @property
    @override
    def protocol(self) -> Any:
        search = diagnostics.SEARCH_STEPS, diagnostics.SEARCH_RESTARTS
        return [FORMAT, self.plan.points, self.plan.epsilon, self.plan.rho, RHOS, search]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        config = self.plan.config(self.arm, self.seed)
        threat = config.threat.scaled(self.plan.epsilon / config.epsilon)
        images, labels, _ = evaluation_points(config).first(self.plan.points)
        model = trained(self.runs(root)[0])
        adversaries = fgsm_points(model, images, labels, threat)
        steps = config.method.steps if isinstance(config.method, LocalBall) else 1
        rows = [
            *ball_rows(model, images, labels, adversaries, threat, self.seed),
            *gap_rows(model, images, adversaries, threat, self.plan.rho, steps, self.seed),
            *profile_rows(model, images, labels, adversaries, threat),
        ]
        return pd.DataFrame(rows).assign(arm=self.arm, seed=self.seed)


@dataclass(frozen=True)
class Attacked(_OfArm):
    """Robust accuracy of the network that a run ended with, at the study's radius whatever it was trained at (D8)."""

    @property
    @override
    def title(self) -> str:
        return f"attacks on {self.arm}, seed {self.seed}"

    @property
    @override
    def protocol(self) -> Any:
        return [FORMAT, self.plan.points, self.plan.epsilon, QUERIES, MARGIN_STEPS]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        config = self.plan.config(self.arm, self.seed)
        threat = config.threat.scaled(self.plan.epsilon / config.epsilon)
        points = evaluation_points(config).first(self.plan.points)
        found = masking_checks(trained(self.runs(root)[0]), points, threat, self.seed)
        rows = [{"statistic": f"attacked_{name}", "value": value} for name, value in found._asdict().items()]
        return pd.DataFrame(rows).assign(arm=self.arm, seed=self.seed)


def fgsm_points(model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel) -> Tensor:
    """The x' of every diagnostic: one full step, with the network in eval mode."""
    return images + attacks.fgsm(model, images, labels, threat, bn_mode="eval").delta


def profile_rows(
    model: nn.Module, images: Tensor, labels: Tensor, adversaries: Tensor, threat: ThreatModel
) -> Iterator[Row]:
    """D7: mean loss by t, and the place of the peak."""
    losses = diagnostics.profile(model, images, labels, adversaries, threat)
    for fraction, row in zip(diagnostics.FRACTIONS, losses, strict=True):
        yield {"statistic": "profile", "place": fraction, "value": row.mean().item()}
    needed = 1 - diagnostics.peak(losses)
    yield {"statistic": "interior_share", "value": (needed > 0).float().mean().item()}
    yield {"statistic": "needed_median", "value": needed.median().item()}
    yield {"statistic": "needed_mean", "value": needed.mean().item()}
    interior = needed[needed > 0]
    yield {"statistic": "needed_median_interior", "value": interior.median().item() if len(interior) else torch.nan}


def ball_rows(
    model: nn.Module, images: Tensor, labels: Tensor, adversaries: Tensor, threat: ThreatModel, seed: int
) -> Iterator[Row]:
    """D1 and D3 to D6."""
    draws = generator(seed, "diagnosis", 30)
    strong = diagnostics.strong_points(model, images, labels, threat, draws)
    gap = diagnostics.strength_gap(model, labels, adversaries, strong)
    yield {"statistic": "strength_gap", "value": gap.mean().item()}
    agreement = diagnostics.sign_agreement(images, adversaries, strong)
    yield {"statistic": "sign_agreement", "value": agreement.mean().item()}
    noise = images + threat.random_start(images, draws)
    usual = diagnostics.alignment(model, labels, images, noise)
    yield {"statistic": "alignment_at_image", "value": usual.nanmean().item()}
    for rho in RHOS:
        ball = diagnostics.ball_of(images, adversaries, rho, threat)
        step = 2.5 * rho * threat.epsilon / diagnostics.SEARCH_STEPS
        for name, steps in (("kappa_random", 0), ("kappa_worst", diagnostics.SEARCH_STEPS)):
            found = diagnostics.kappa(model, adversaries, ball, draws, steps=steps, step_size=step)
            yield {"statistic": name, "place": rho, "value": found.mean().item()}
        reached = diagnostics.reach(model, labels, adversaries, strong, ball)
        yield {"statistic": "reach", "place": rho, "value": reached.nanmean().item()}
        near = diagnostics.share_within(adversaries, strong, rho * threat.epsilon)
        yield {"statistic": "share_within", "place": rho, "value": near.mean().item()}
        aligned = diagnostics.alignment(model, labels, adversaries, ball.uniform(draws))
        yield {"statistic": "alignment_in_ball", "place": rho, "value": aligned.nanmean().item()}


def gap_rows(
    model: nn.Module, images: Tensor, adversaries: Tensor, threat: ThreatModel, rho: float, steps: int, seed: int
) -> Iterator[Row]:
    """D2 at the trained rho: what the strong search and training's own find in the ball."""
    draws, ball = generator(seed, "diagnosis", 31), diagnostics.ball_of(images, adversaries, rho, threat)
    strong, own = diagnostics.inner_gap(model, adversaries, ball, rho * threat.epsilon, draws, steps=steps)
    yield {"statistic": "search_strong", "place": rho, "value": strong.mean().item()}
    yield {"statistic": "search_own", "place": rho, "value": own.mean().item()}
