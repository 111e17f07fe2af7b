"""LAP training: the update is taken at weights that the attack's own backward pass has moved, early layers most."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.func import functional_call
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.numbers import NonNegative
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.one_process import require_one_process
from cotoolkit.methods._settings.published import check_published, published_value
from cotoolkit.methods.base import METHODS, Cost, Family, Method, RunSettings
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update, train_on
from cotoolkit.models.modes import BatchNormMode, attack_mode

Attack = Literal["plain", "rs", "n"]
"""FGSM, RS-FGSM with a step of 1.25 epsilon, or N-FGSM with k = 2."""

BETA: dict[str, dict[float, float]] = {
    "plain": {8: 0.03, 12: 0.058, 16: 0.07, 32: 0.48},
    "rs": {8: 0.002, 12: 0.03, 16: 0.05, 32: 0.3},
    "n": {8: 0.001, 12: 0.002, 16: 0.005, 32: 0.75},
}
"""The authors' strengths for CIFAR-10, by attack and radius in steps of 1/255."""


def layer_shares(layers: int, gamma: float) -> list[float]:
    """What each layer gets of the strength: 1 - (ln l / ln n)^gamma of the l-th of n, from 1 down to 0.

    >>> [round(share, 3) for share in layer_shares(4, 0.3)]
    [1.0, 0.188, 0.067, 0.0]

    Args:
        layers: n.
        gamma: the smaller, the faster it falls; 0 leaves nothing to any layer.

    Returns:
        n numbers in [0, 1].
    """
    return [1 - (math.log(layer) / math.log(max(layers, 2))) ** gamma for layer in range(1, layers + 1)]


class Moved(nn.Module):
    """A network at other weights than its own, which stay as they are; gradients reach its own.

    Args:
        network: the network.
        weights: some of its parameters by name, as they are to be.
    """

    def __init__(self, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = network
        self.weights = dict(weights)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of a batch, at the other weights."""
        logits: Tensor = functional_call(self.network, self.weights, (images,))
        return logits


@METHODS.register("lap", "LAP")
@dataclass(frozen=True, config=STRICT)
class LAP(Method):
    """CE(x + delta; w + v): the l-th of n layers' v is beta (1 - (ln l / ln n)^gamma) |w_l| / |d_l| times d_l.

    d is minus the weights' gradient of the cross-entropy where the attack takes its own gradient, from the same
    backward pass. Layers are the weights of more than one dimension, in the network's order. The update's gradient is
    that at w + v; the optimiser, its weight decay and the next step see w, to the bit. The released code never takes v
    back.

    The default of `direction` is the trial step down the loss that the released code takes and by which its strengths
    were found. "ascent" is the adversarial reading of the method's name, as in adversarial weight perturbation (AWP),
    and wants far smaller ones. The code's trial step also carries its optimiser's momentum and weight decay; here it is
    the gradient's.

    The published strengths are those of weights that stay moved. Taken back, the larger of them (0.3 on digits at 0.1)
    make a network that fits its batch at w + v and is poor at w; then set `beta`. Signals that compare the start of the
    attack with its end, such as `abnormal_example`, compare w with w + v.

    >>> METHODS.parse({"name": "lap", "attack": "n"}).cost_per_step()
    Cost(forward=2, backward=2, double_backward=0)

    Args:
        attack: which one, see `Attack`.
        beta: strength; None means `BETA` at the batch's radius. 0 is training on the attack alone.
        gamma: of the law over layers, see `layer_shares`.
        direction: "descent" (released) or "ascent".
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    attack: Attack = "plain"
    beta: NonNegative | None = None
    gamma: NonNegative = 0.3
    direction: Literal["descent", "ascent"] = "descent"
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Lin et al., ICML 2024, arXiv 2405.16262; tmllab/2024_ICML_LAP"
    family: ClassVar[Family] = "weight perturbation"
    formula: ClassVar[str] = (
        "δ as FGSM, RS- or N-FGSM;  CE(x + δ; w + v), "
        "v_l = β (1 - (ln l / ln n)^γ) ‖w_l‖ d_l / ‖d_l‖, d = -∇_w CE(x + η)"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "attack": "code: all three; which one by default is ours",
        "beta": "code, which never takes v back: CIFAR-10 at 8, 12, 16 and 32/255; straight lines between are ours",
        "gamma": "code: 0.3",
        "direction": "code: descent; ascent is ours, after the paper's title",
        "bn_mode": "ours: as every method here; the code attacks in train mode and moves the running statistics",
    }

    @override
    def check_config(self, config: RunSettings) -> None:
        check_published(config.threat, self, beta=BETA[self.attack])

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        require_one_process(self.name, "it moves the weights along the whole batch's gradient")
        attacked, gradients = self._attack(model, batch)
        beta = published_value(BETA[self.attack], batch.threat.epsilon) if self.beta is None else self.beta
        strength = beta if self.direction == "ascent" else -beta
        moved = {}
        for (name, gradient), share in zip(gradients.items(), layer_shares(len(gradients), self.gamma), strict=True):
            weight = model.get_parameter(name)
            moved[name] = weight + strength * share * weight.detach().norm() * _unit(gradient)
        return train_on(Moved(model, moved), batch, attacked, update)

    def _attack(self, model: nn.Module, batch: Batch) -> tuple[AttackResult, dict[str, Tensor]]:
        """The attack, and the gradients of the layers' weights by name, of the same backward pass."""
        images, threat = batch.images, batch.threat
        start, step, reach = None, threat.epsilon, threat
        if self.attack == "rs":
            start, step = threat.random_start(images, batch.generator), 1.25 * threat.epsilon
        elif self.attack == "n":
            start, reach = threat.scaled(2).random_start(images, batch.generator), threat.scaled(3)
        layers = {
            name: w for name, w in model.named_parameters() if "weight" in name and w.ndim > 1 and w.requires_grad
        }
        with attack_mode(model, self.bn_mode), torch.enable_grad():
            seen = (images if start is None else images + start).detach().requires_grad_()
            logits = model(seen)
            losses = F.cross_entropy(logits.float(), batch.labels, reduction="none")
            gradient, *found = torch.autograd.grad(
                losses.sum(), [seen, *layers.values()], allow_unused=True, materialize_grads=True
            )
        moved = step * threat.steepest(gradient)
        delta = reach.project(images, moved if start is None else start + moved)
        attacked = AttackResult(delta, gradient, logits.detach(), losses.detach(), start)
        return attacked, dict(zip(layers, found, strict=True))


def _unit(gradient: Tensor) -> Tensor:
    """Scaled to length 1, by its largest entry first, lest squares vanish; zero stays zero."""
    tiny = torch.finfo(gradient.dtype).tiny
    scaled = gradient / gradient.abs().amax().clamp_min(tiny)
    length: Tensor = torch.linalg.vector_norm(scaled).clamp_min(tiny)
    return scaled / length
