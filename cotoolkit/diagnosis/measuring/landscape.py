"""The loss around the images: per-sample signals of its linearity, a surface, and the spectrum of the perturbations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.attacks.gradient import InputGradient, input_gradient, pgd
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.core.user_code import describe
from cotoolkit.diagnosis.measurements import PerturbationSpectrum, Signal, Surface
from cotoolkit.diagnosis.measuring.fgsm_segment import FgsmSweep, along
from cotoolkit.diagnosis.measuring.statistics import mean_of, quartiles
from cotoolkit.intake.findings import Finding, handled
from cotoolkit.models.modes import attack_mode
from cotoolkit.signals import SIGNALS, Observation
from cotoolkit.signals.curvature import top_hessian_eigenvalue
from cotoolkit.signals.local import bilinear_error, gradient_alignment, input_curvature, taylor_residual
from cotoolkit.signals.observation import sample_values
from cotoolkit.signals.perturbation import perturbation_alignment, perturbation_spectrum

POSITIONS = {"noise": 1, "chord": 2, "pgd": 3, "hessian": 4, "across": 5, "spectrum": 6}
"""Sources of randomness of this file, by position of the label `diagnosis`."""

REACH = 1.5
"""How far the surface goes along the FGSM perturbation, in units of it."""


def signals(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    found: FgsmSweep,
    deltas: tuple[Tensor, Tensor],
    eigenvalues: Tensor,
    *,
    seed: int,
    batch_size: int,
) -> dict[str, Tensor]:
    """Every per-sample signal of these points: 3 more gradients each, and 2 more forward passes.

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        threat: ball and box.
        found: the gradient and the loss at the images.
        deltas: the FGSM and the PGD perturbation.
        eigenvalues: of the Hessians, as `eigenvalues` gives them.
        seed: of the noise.
        batch_size: points whose gradients are taken together.

    Returns:
        (N,) values by the name of the signal.
    """
    fgsm_delta, pgd_delta = deltas
    noise = threat.random_start(images, generator(seed, "diagnosis", POSITIONS["noise"]))
    draws = generator(seed, "diagnosis", POSITIONS["chord"])
    other = threat.random_start(images, draws)
    share = torch.rand(len(images), generator=draws, device=draws.device, dtype=torch.float32).to(images)
    per_image = share.view(-1, 1, 1, 1)
    with attack_mode(model, "eval"):
        noisy, end, ahead = (
            _gradients(model, images + delta, labels, batch_size)
            for delta in (noise, fgsm_delta, threat.epsilon * threat.steepest(found.gradient))
        )
        _, (other_losses, mixed_losses) = along(
            model, images, labels, threat, [other, (1 - per_image) * noise + per_image * other]
        )
    return {
        "gradient_alignment": gradient_alignment(found.gradient, noisy.gradient),
        "perturbation_alignment": perturbation_alignment(fgsm_delta, pgd_delta),
        "taylor_residual": taylor_residual(found.losses, noisy.losses, found.gradient, noise),
        "bilinear_error": bilinear_error(noisy.losses, other_losses, mixed_losses, share),
        "input_curvature": input_curvature(found.gradient, ahead.gradient),
        "top_hessian_eigenvalue": eigenvalues,
        **_free_signals(found, end, fgsm_delta, labels),
    }


def _free_signals(found: FgsmSweep, end: InputGradient, delta: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """What a training step at these points would say for free."""
    at_step = Observation(
        losses=end.losses,
        start_losses=found.losses,
        logits=end.logits,
        start_logits=found.logits,
        labels=labels,
        delta=delta,
        attack_gradient=found.gradient,
        update_gradient=end.gradient,
    )
    free = sample_values([at_step])
    del free["train_loss"], free["train_accuracy"]  # nothing is trained here
    return free


def signal_of(name: str, values: Tensor) -> Signal:
    """A signal of that name from its values (N,): their mean with its interval, and what is filed about it."""
    info = SIGNALS[name]
    return Signal(name=info.name, mean=mean_of(values), source=info.source, at_break=info.at_break)


def pgd_delta(
    model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel, *, seed: int, batch_size: int
) -> Tensor:
    """The PGD-10 perturbation, for its direction.

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        threat: ball and box.
        seed: of the starts.
        batch_size: points attacked together.

    Returns:
        (N, C, H, W), in pixel units.
    """
    draws = generator(seed, "diagnosis", POSITIONS["pgd"])
    parts = zip(images.split(batch_size), labels.split(batch_size), strict=True)
    return torch.cat([
        pgd(model, here, true, threat, generator=draws, steps=10, bn_mode="eval").delta for here, true in parts
    ])  # fmt: skip


def eigenvalues(
    model: nn.Module, images: Tensor, labels: Tensor, gradient: Tensor, seed: int
) -> tuple[Tensor, list[Finding]]:
    """Top Hessian eigenvalues (N,); nan, and a finding, where an operation of the network has no second derivative.

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        gradient: (N, C, H, W), at the images.
        seed: of the iteration's start.

    Returns:
        (N,), in units of the loss per squared pixel unit, and the findings.
    """

    def gradient_of(here: Tensor) -> Tensor:
        loss = F.cross_entropy(model(here).float(), labels, reduction="sum")
        return torch.autograd.grad(loss, here, create_graph=True)[0]

    draws = generator(seed, "diagnosis", POSITIONS["hessian"])
    try:
        with attack_mode(model, "eval"):
            values = top_hessian_eigenvalue(gradient_of, images, draws)
        reason = "an operation of the model is differentiable once"
    except RuntimeError as failure:  # "derivative for ... is not implemented", and the like
        values, reason = images.new_zeros(len(images)), describe(failure)
    # The cross-entropy bends wherever it has a slope, so there an eigenvalue of exactly zero is none.
    lost = (values == 0) & (gradient != 0).flatten(1).any(1)
    if not lost.any():
        return values, []
    text = f"top_hessian_eigenvalue lacks {int(lost.sum())} of {len(images)} points: no second derivative ({reason})"
    return values.masked_fill(lost, torch.nan), [handled(text)]


def surface(
    model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel, delta: Tensor, samples: int, seed: int
) -> Surface:
    """Median loss and accuracy at images + a * delta + b * r, r random signs of radius epsilon (Kim et al., 2021).

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        threat: radius of r, and the box.
        delta: (N, C, H, W), the FGSM perturbation.
        samples: of a in [0, 1.5] and of b in [-1, 1].
        seed: of r.

    Returns:
        Loss and accuracy, a row per b and a column per a.
    """
    draws = generator(seed, "diagnosis", POSITIONS["across"])
    signs = torch.randint(2, images.shape, generator=draws, device=draws.device).to(images) * 2 - 1
    ahead = [REACH * step / (samples - 1) for step in range(samples)]
    across = [2 * step / (samples - 1) - 1 for step in range(samples)]
    losses: list[tuple[float | None, ...]] = []
    accuracies: list[tuple[float, ...]] = []
    for b in across:
        correct, values = along(model, images, labels, threat, [a * delta + b * threat.epsilon * signs for a in ahead])
        losses.append(tuple(quartiles(row)[1] for row in values))
        accuracies.append(tuple(correct.float().mean(1).tolist()))
    return Surface(
        along=tuple(ahead), across=tuple(across), loss=tuple(losses), accuracy=tuple(accuracies), points=len(images)
    )


def perturbation_spectra(fgsm_delta: Tensor, pgd_delta: Tensor, seed: int) -> PerturbationSpectrum:
    """Mean spectra of the two perturbations, and that of as many random signs.

    Args:
        fgsm_delta: (N, C, H, W).
        pgd_delta: (N, C, H, W).
        seed: of the signs.

    Returns:
        Shares of energy by frequency shell.
    """
    draws = generator(seed, "diagnosis", POSITIONS["spectrum"])
    signs = torch.randint(2, fgsm_delta.shape, generator=draws, device=draws.device).to(fgsm_delta) * 2 - 1
    noise = _mean_shares(signs)
    assert noise is not None  # signs are nowhere zero
    return PerturbationSpectrum(fgsm=_mean_shares(fgsm_delta), pgd=_mean_shares(pgd_delta), noise=noise)


def _mean_shares(delta: Tensor) -> tuple[float, ...] | None:
    shares = perturbation_spectrum(delta)
    known: Sequence[float] = shares[shares.isfinite().all(1)].double().mean(0).tolist()
    return tuple(known) if all(value == value for value in known) else None  # noqa: PLR0124 - nan: all zero


def _gradients(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> InputGradient:
    parts = zip(images.split(batch_size), labels.split(batch_size), strict=True)
    return InputGradient(*map(torch.cat, zip(*(input_gradient(model, *part) for part in parts), strict=True)))
