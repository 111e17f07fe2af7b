"""The truth about a network of the zoo: what AutoAttack leaves, point by point, helped by how the network was made.

Whoever built a network knows what hides its gradients, and attacks the network inside as well: examples that fool that
one are tried on the whole. Where answers are random, the network attacked is the mean of many draws, and a point counts
as fooled if most of many other draws are wrong.
"""

from __future__ import annotations

import importlib.metadata
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from analyses.diagnosis_zoo.networks import LastingDropout, Noisy, Quantised, Saturated, SoftmaxEnd
from cotoolkit.attacks.gradient import holds
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import derive, fork_global_rng
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import run_protocol

DRAWS = 8
"""Draws whose mean logits are attacked where answers are random."""

VOTES = 51
"""Other draws, most of which have to be wrong."""


class Truth(NamedTuple):
    """What a network withstands, of the points asked about; (N,) bool each.

    Attributes:
        clean: right without an attack.
        fgsm: right after one full step.
        robust: right after AutoAttack, on the network and on what is inside.
        attacked: names of the networks that AutoAttack was run on.
        seconds: it took.
    """

    clean: Tensor
    fgsm: Tensor
    robust: Tensor
    attacked: tuple[str, ...]
    seconds: float


class MeanOfDraws(nn.Module):
    """The mean logits of a random network over the same `DRAWS` draws in every call: a network that is not random."""

    def __init__(self, network: nn.Module, seed: int) -> None:
        super().__init__()
        self.network, self.seed = network, seed

    @override
    def forward(self, images: Tensor) -> Tensor:
        with fork_global_rng(self.seed, "layers"):
            return torch.stack([self.network(images) for _ in range(DRAWS)]).mean(0)


def find_truth(network: nn.Module, points: Points, epsilon: float, seed: int = 0) -> Truth:
    """Attack some points with all that is known of the network.

    Args:
        network: of the zoo, in evaluation mode.
        points: images in [0, 1], to attack.
        epsilon: radius.
        seed: of the attacks.

    Returns:
        What holds.
    """
    started = time.perf_counter()
    images, labels, _ = points
    threat = ThreatModel(epsilon)
    clean, fgsm = _right(network, images, labels, seed), _fgsm(network, points, threat, seed)
    robust = clean.clone()
    targets = _attackable(network, seed)
    for position, target in enumerate(targets.values()):
        left = robust.nonzero().flatten()
        if len(left):
            adversarial = _autoattack(target, images[left], labels[left], epsilon, derive(seed, "evaluation", position))
            robust[left] = _right(network, adversarial, labels[left], seed)
    return Truth(clean, fgsm, robust, tuple(targets), time.perf_counter() - started)


def is_random(network: nn.Module) -> bool:
    """Whether a network of the zoo gives another answer in each call."""
    return any(isinstance(module, Noisy | LastingDropout) for module in network.modules())


def truth_card() -> dict[str, Any]:
    """What the truth is, as JSON data."""
    return {
        "attack": "AutoAttack, version standard, linf: APGD-CE, APGD-T, FAB-T and Square with 5,000 queries",
        "package": f"pyautoattack {importlib.metadata.version('pyautoattack')}",
        "attacked": "the network, and what is inside a layer that hides gradients; examples are tried on the network",
        "random networks": f"the mean logits of {DRAWS} fixed draws are attacked; wrong in most of {VOTES} other draws",
    }


def _attackable(network: nn.Module, seed: int) -> dict[str, nn.Module]:
    """Networks whose adversarial examples are tried on this one, from the easiest to attack to itself."""
    if is_random(network):
        inside = {"inside": network.network} if isinstance(network, Noisy) else {}
        return {**inside, f"mean of {DRAWS} draws": MeanOfDraws(network, seed)}
    if isinstance(network, Saturated | SoftmaxEnd):  # which have the same answers, and hide them
        return {"inside": network.network}
    if isinstance(network, Quantised):
        return {"inside": network.network, "itself": network}
    return {"itself": network}


def _right(network: nn.Module, images: Tensor, labels: Tensor, seed: int) -> Tensor:
    """Which images are classified correctly, (N,) bool; by most of `VOTES` draws where answers are random."""
    with torch.no_grad():
        if not is_random(network):
            return holds(network(images), labels)
        with fork_global_rng(seed, "evaluation"):
            votes = torch.stack([holds(network(images), labels) for _ in range(VOTES)])
    return votes.float().mean(0) > 0.5


def _fgsm(network: nn.Module, points: Points, threat: ThreatModel, seed: int) -> Tensor:
    """Which images one step leaves correct; its gradient is that of what is inside a layer that only hides it."""
    images, labels, _ = points
    source = network.network if isinstance(network, Saturated | SoftmaxEnd) else network
    source = MeanOfDraws(source, seed) if is_random(source) else source
    return run_protocol(source, images, labels, threat, "fgsm", seed=seed).correct


def _autoattack(network: nn.Module, images: Tensor, labels: Tensor, epsilon: float, seed: int) -> Tensor:
    """What AutoAttack, version standard, makes of images that the network gets right (others are left)."""
    from pyautoattack import AutoAttack

    attack = AutoAttack(network, norm="Linf", eps=epsilon, version="standard", device=images.device, seed=seed % 2**31)
    with torch.no_grad():  # it takes nine targets whatever the number of classes
        targets = min(9, network(images[:1]).shape[1] - 1)
    attack.apgd_targeted.n_target_classes = attack.fab.n_target_classes = targets
    with torch.random.fork_rng(devices=[]):
        found: Tensor = attack.run_standard_evaluation(images, labels, batch_size=len(images))[0]
    return found
