"""lp-FGSM training: one noiseless step on the border of an lp ball, p fixed or chosen by how concentrated g is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult, input_gradient
from cotoolkit.core.numbers import NonNegative, Number
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.linf_only import require_linf
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, Family, RunSettings
from cotoolkit.methods.batch import Batch
from cotoolkit.models.modes import BatchNormMode, attack_mode

SMALLEST_Q, LARGEST_Q = 1.00098, 2.0
"""Between which the adaptive rule keeps q: p from 1024 down to 2."""

FLOOR = 1e-12
"""Least size of a gradient entry, as a part of its sample's largest one, for the entropies."""


def entropy_gap(gradient: Tensor) -> Tensor:
    """How far the entries of each gradient are from equal size: -mean log rho + sum rho log rho, rho = |g| / norm1(g).

    >>> entropy_gap(torch.tensor([[1.0, -1.0, 1.0], [4.0, 1.0, 1.0]]))
    tensor([0.0000, 0.4621])

    Args:
        gradient: (B, ...).

    Returns:
        (B,), at least 0 up to rounding; 0 where all entries have one size, and where all are zero.
    """
    sizes = _relative(gradient).flatten(1).clamp_min(FLOOR)
    log_shares = (sizes / sizes.sum(1, keepdim=True)).log()
    return (log_shares.exp() * log_shares).sum(1) - log_shares.mean(1)


def adaptive_q(gradient: Tensor, beta: float) -> Tensor:
    """The dual exponent q = 1 + beta / entropy gap of each sample, within [1.00098, 2].

    Args:
        gradient: (B, ...).
        beta: strength; the larger, the closer to the l2 step.

    Returns:
        (B,).
    """
    gap = entropy_gap(gradient).clamp_min(torch.finfo(gradient.dtype).tiny)
    return (1 + beta / gap).clamp(SMALLEST_Q, LARGEST_Q)


def lp_direction(gradient: Tensor, q: Tensor) -> Tensor:
    """The vector of lp length 1 that a linear loss rises along most: sign(g) (|g| / norm_q(g))^(q - 1), 1/p + 1/q = 1.

    Args:
        gradient: (B, ...).
        q: (B,), the dual exponent, above 1; 2 gives the unit vector, and near 1 it is the sign.

    Returns:
        (B, ...), with entries in [-1, 1]; zero where the gradient is.
    """
    sizes, q = _relative(gradient).flatten(1), q.unsqueeze(1)
    norm = sizes.pow(q).sum(1, keepdim=True).pow(1 / q).clamp_min(torch.finfo(sizes.dtype).tiny)
    return (sizes / norm).pow(q - 1).view_as(gradient) * gradient.sign()


def _relative(gradient: Tensor) -> Tensor:
    """Sizes as parts of each sample's largest: powers of small gradients would vanish in float32."""
    sizes = gradient.abs()
    largest = sizes.flatten(1).amax(1).clamp_min(torch.finfo(sizes.dtype).tiny)
    return sizes / largest.view(-1, *[1] * (sizes.ndim - 1))


@METHODS.register("lp_fgsm", "lp-FGSM")
@dataclass(frozen=True, config=STRICT)
class LpFGSM(AttackMethod):
    """delta = epsilon sign(g) (|g| / norm_q(g))^(q - 1), which lies inside the max-norm ball and is FGSM for large p.

    Without p each sample has its own q = 1 + beta / (entropy gap of its gradient), as in the authors' second code and
    their paper, whose bound on the angle to the l2 step it is. For the entropies no entry is smaller than 1e-12 of the
    sample's largest (ours: the code adds 1e-12 to gradients whose scale depends on the batch). The perturbation is
    clipped to the pixel box, which neither code does.

    The default is the paper's, without noise. The first code, of fixed p, by which the published tables were made,
    starts from noise: "released" adds uniform noise of the ball to the step, and takes the gradient at that noise
    scaled to lp length epsilon.

    >>> METHODS.parse({"name": "lp_fgsm", "p": 32})
    LpFGSM(p=32.0, beta=0.01, start='image', bn_mode='train')

    Args:
        p: of the ball, at least 2; None for the adaptive rule.
        beta: of the adaptive rule; unused with p.
        start: "image", or "released".
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.

    Raises:
        ConfigError: from `check_config`: an l2 threat, whose steepest step is p = 2 already.
    """

    p: Annotated[Number, Ge(2)] | None = None
    beta: NonNegative = 0.01
    start: Literal["image", "released"] = "image"
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Mehouachi & Jabari, arXiv 2505.02360; FaresBMehouachi/lpfgsm, submit-papersAnon/Lp-FGSM"
    family: ClassVar[Family] = "single step"
    formula: ClassVar[str] = "δ = ε sign g (|g| / ‖g‖_q)^(q - 1), q = p / (p - 1) or 1 + β / ΔH(g);  CE(x + δ)"
    constants: ClassVar[Mapping[str, str]] = {
        "p": "paper: adaptive; first code: 32 for CIFAR-10 and SVHN, 16 for CIFAR-100",
        "beta": "code: 0.01 for CIFAR-10 and SVHN, 0.1 for CIFAR-100",
        "start": "paper: no noise; first code: noise",
        "bn_mode": "ours: as every method here; the code attacks in train mode and moves the running statistics",
    }

    @override
    def check_config(self, config: RunSettings) -> None:
        require_linf(config.threat, self.name, "p = 2 is the steepest step there")

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        images, threat = batch.images, batch.threat
        shift: Tensor | float = 0.0
        reach, seen, start = threat, images, None
        if self.start == "released":
            reach, noise = threat.resized(2 * threat.epsilon), threat.random_start(images, batch.generator)
            shift, start = noise, reach.project(images, threat.epsilon * lp_direction(noise, self._q(noise)))
            seen = images + start
        with attack_mode(model, self.bn_mode):
            found = input_gradient(model, seen, batch.labels)
        step = threat.epsilon * lp_direction(found.gradient, self._q(found.gradient))
        return AttackResult(reach.project(images, shift + step), *found, start)

    def _q(self, gradient: Tensor) -> Tensor:
        if self.p is None:
            return adaptive_q(gradient, self.beta)
        return gradient.new_full((len(gradient),), self.p / (self.p - 1))
