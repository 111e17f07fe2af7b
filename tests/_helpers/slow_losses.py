"""Losses and gradients of a smooth network in double precision, sample by sample: what methods are held against.

Nothing here is the project's code but the batch and the threat model that the method under test is given.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from cotoolkit.attacks.threat_model import Norm, ThreatModel
from cotoolkit.methods import Batch, Method, StepRecord
from tests._helpers.stepping import remembering, sgd


def smooth_net(seed: int) -> nn.Sequential:
    """3x3 images to logits of three classes, in double precision."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, 3)).double()


def smooth_batch(seed: int, norm: Norm = "linf", epsilon: float = 0.3, *, iteration: int = 0, size: int = 6) -> Batch:
    """Images in the middle of the box, so that few steps are clipped, with a generator of the same seed."""
    draws = torch.Generator().manual_seed(100 + seed)
    images = 0.2 + 0.6 * torch.rand(size, 1, 3, 3, generator=draws, dtype=torch.float64)
    labels = torch.randint(3, (size,), generator=draws)
    generator = torch.Generator().manual_seed(seed)
    return Batch(images, labels, ThreatModel(epsilon, norm), generator, iteration=iteration)


def loss(network: nn.Module, point: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy of one image, from its definition."""
    logits = network(point[None])[0]
    return logits.exp().sum().log() - logits[label]


def slope(network: nn.Module, point: Tensor, label: Tensor, *, create_graph: bool = False) -> Tensor:
    """Input gradient of one image's cross-entropy."""
    point = point.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(network, point, label), point, create_graph=create_graph)
    return gradient


def clipped(image: Tensor, delta: Tensor, epsilon: float, norm: Norm = "linf") -> Tensor:
    """To the box, then to the ball, one image's perturbation."""
    delta = (image + delta).clamp(0, 1) - image
    if norm == "l2":
        return delta * min(1.0, epsilon / delta.norm().item())
    return delta.clamp(-epsilon, epsilon)


def uphill(gradient: Tensor, norm: Norm = "linf") -> Tensor:
    """The steepest direction of length 1, of a gradient none of whose signs hangs on rounding."""
    assert gradient.abs().min() > 1e-6 * gradient.abs().max()
    return gradient.sign() if norm == "linf" else gradient / gradient.norm()


def uniform(shape: torch.Size, generator: torch.Generator, epsilon: float) -> Tensor:
    """A point of the linf ball, as the threat model draws it."""
    return epsilon * (2 * torch.rand(shape, generator=generator, dtype=torch.float32).double() - 1)


def stepped_apart(method: Method, network: nn.Module, given: Batch) -> tuple[Tensor, StepRecord, Batch]:
    """One step on a copy of the network: the gradient that its update took, the record, the batch with its memory."""
    twin = copy.deepcopy(network)
    if not given.memory:
        given = remembering(method, twin, given)
    record = method.step(twin, given, sgd(twin, rate=1.0))
    start, end = (parameters_to_vector(one.parameters()).detach() for one in (network, twin))
    return start - end, record, given


def weight_gradient(total: Tensor, network: nn.Module) -> Tensor:
    """Gradient of a total with respect to all of a network's parameters, in a vector."""
    return parameters_to_vector(torch.autograd.grad(total, list(network.parameters())))
