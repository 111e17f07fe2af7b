"""What is measured of finished runs, as tidy tables: offset, statistic, place, value.

`offset` counts iterations from the breakpoint (missing for finished networks); `place` is the rho or the t that a
statistic depends on (missing where there is none). Adversaries x' are FGSM's at the study's radius, for every network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from analyses.local_ball import diagnostics
from analyses.local_ball.masking import masking_checks
from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import generator
from cotoolkit.methods import LocalBall
from cotoolkit.runs.checkpoints import evaluation_points, trained, trained_series
from cotoolkit.runs.folder import RunFolder

RADII = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Radii of the diagnostics, in units of epsilon (spec: D1)."""

Row = dict[str, Any]


def around_onset(run: RunFolder, *, breakpoint_iteration: int, points: int) -> pd.DataFrame:
    """D7 on training around its breakpoint, at the iterations whose weights the run kept.

    Args:
        run: a finished run.
        breakpoint_iteration: its first broken iteration.
        points: how many test points are looked at.

    Returns:
        Columns statistic, place, value, offset; losses in nats, places as shares of the step.
    """
    config = run.config()
    images, labels, _ = evaluation_points(config).first(points)
    tables = []
    for iteration, model in zip(config.keep, trained_series(run, config.keep), strict=True):
        adversaries = fgsm_points(model, images, labels, config.threat)
        rows = list(profile_rows(model, images, labels, adversaries, config.threat))
        tables.append(pd.DataFrame(rows).assign(offset=iteration - breakpoint_iteration))
    return pd.concat(tables)


def diagnosed(run: RunFolder, *, epsilon: float, rho: float, points: int) -> pd.DataFrame:
    """Diagnostics D1 to D7 on the network that a run ended with.

    Args:
        run: a finished run.
        epsilon: radius of the adversaries, in pixel units.
        rho: radius of the ball of D2, in units of epsilon.
        points: how many test points are looked at.

    Returns:
        Columns statistic, place, value.
    """
    config = run.config()
    threat, model = _threat(config, epsilon), trained(run)
    images, labels, _ = evaluation_points(config).first(points)
    adversaries = fgsm_points(model, images, labels, threat)
    steps = config.method.steps if isinstance(config.method, LocalBall) else 1
    rows = [
        *ball_rows(model, images, labels, adversaries, threat, config.seed),
        *gap_rows(model, images, adversaries, threat, rho, steps, config.seed),
        *profile_rows(model, images, labels, adversaries, threat),
    ]
    return pd.DataFrame(rows)


def attacked(run: RunFolder, *, epsilon: float, points: int) -> pd.DataFrame:
    """D8: robust accuracy of the network that a run ended with, whatever radius it was trained at.

    Args:
        run: a finished run.
        epsilon: radius of the attacks, in pixel units.
        points: how many test points are attacked.

    Returns:
        Columns statistic, value; accuracies in [0, 1].
    """
    config = run.config()
    found = masking_checks(trained(run), evaluation_points(config).first(points), _threat(config, epsilon), config.seed)
    return pd.DataFrame({"statistic": f"attacked_{name}", "value": value} for name, value in found._asdict().items())


def _threat(config: RunConfig, epsilon: float) -> ThreatModel:
    return config.threat.scaled(epsilon / config.epsilon)


def fgsm_points(model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel) -> Tensor:
    """The x' of every diagnostic: one full step, with the network in eval mode."""
    return images + attacks.fgsm(model, images, labels, threat, bn_mode="eval").delta


def profile_rows(
    model: nn.Module, images: Tensor, labels: Tensor, adversaries: Tensor, threat: ThreatModel
) -> Iterator[Row]:
    """D7: mean loss by t, and the place of the peak in the images that have one; nan if none has."""
    losses = diagnostics.profile(model, images, labels, adversaries, threat)
    for fraction, row in zip(diagnostics.FRACTIONS, losses, strict=True):
        yield {"statistic": "profile", "place": fraction, "value": row.mean().item()}
    needed = 1 - diagnostics.peak(losses)
    needed = needed[needed.isfinite()]
    yield {"statistic": "interior_share", "value": (needed > 0).float().mean().item()}
    yield {"statistic": "needed_median", "value": _median(needed)}
    yield {"statistic": "needed_mean", "value": needed.mean().item()}
    yield {"statistic": "needed_median_interior", "value": _median(needed[needed > 0])}


def _median(values: Tensor) -> float:
    """Of an even number the mean of the middle two (torch's own median is the lower one); nan of none."""
    return values.quantile(0.5).item() if len(values) else torch.nan


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
    worst = diagnostics.worst_kappa(model, images, adversaries, RADII, threat, draws)
    for rho in RADII:
        ball = diagnostics.ball_of(images, adversaries, rho, threat)
        random = diagnostics.kappa(model, adversaries, ball, draws, steps=0, step_size=0.0)
        yield {"statistic": "kappa_random", "place": rho, "value": random.mean().item()}
        yield {"statistic": "kappa_worst", "place": rho, "value": worst[rho].mean().item()}
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
