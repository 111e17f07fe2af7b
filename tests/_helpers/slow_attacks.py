"""Slow references for training methods: a smooth network in float64, and attacks sample by sample in plain autograd."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods import Batch, Method, StepRecord
from tests._helpers.stepping import remembering, sgd

EPSILON = 0.2


def smooth_net(seed: int) -> nn.Sequential:
    """Four classes of (1, 3, 3) images; no gradient of it is anywhere near zero but by chance."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 6), nn.Tanh(), nn.Linear(6, 4)).double()
    with torch.no_grad():
        model[1].weight.mul_(3)  # so that a step changes predictions
    return model


def smooth_batch(seed: int, norm: str = "linf", *, size: int = 7, epsilon: float = EPSILON) -> Batch:
    """Images for it in float64, some at the edges of the box; the attack's generator has the seed."""
    draws = torch.Generator().manual_seed(100 + seed)
    images = (1.4 * torch.rand(size, 1, 3, 3, generator=draws, dtype=torch.float64) - 0.2).clamp(0, 1)
    labels = torch.randint(4, (size,), generator=draws)
    return Batch(images, labels, ThreatModel(epsilon, norm), torch.Generator().manual_seed(seed))


def attempt(method: Method, model: nn.Module, given: Batch) -> tuple[StepRecord, Tensor, Batch]:
    """One step of a copy of the network at a rate of 1: its record, the gradient it took, and the batch with memory."""
    twin = copy.deepcopy(model)
    if not given.memory:
        given = remembering(method, twin, given)
    record = method.step(twin, given, sgd(twin, rate=1.0))
    taken = parameters_to_vector(model.parameters()) - parameters_to_vector(twin.parameters())
    return record, taken.detach(), given


def weight_gradient(loss: Tensor, model: nn.Module) -> Tensor:
    """Of a loss, as one vector."""
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def slow_losses(model: nn.Module, points: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropies of points one at a time."""
    losses = [F.cross_entropy(model(x[None]), y[None]) for x, y in zip(points, labels, strict=True)]
    return torch.stack(losses)


def slow_gradients(loss: Callable[[Tensor, int], Tensor], points: Tensor) -> Tensor:
    """Gradients (B, C, H, W) of a loss of (1, C, H, W) and its number, one point at a time."""
    found = []
    for number, point in enumerate(points):
        leaf = point[None].detach().clone().requires_grad_()
        found.append(torch.autograd.grad(loss(leaf, number), leaf)[0][0])
    return torch.stack(found)


def slow_attack_gradients(model: nn.Module, points: Tensor, labels: Tensor) -> Tensor:
    """Of each point's cross-entropy with its label."""
    return slow_gradients(lambda x, number: F.cross_entropy(model(x), labels[number : number + 1]), points)


def slow_steepest(gradients: Tensor, norm: str) -> Tensor:
    """Signs, or unit vectors. A sign that round-off may have decided fails here."""
    if norm == "linf":
        assert gradients[gradients != 0].abs().min() > 1e-6 * gradients.abs().max()
        return gradients.sign()
    return torch.stack([one / one.square().sum().sqrt() for one in gradients])


def slow_projection(images: Tensor, delta: Tensor, epsilon: float, norm: str = "linf") -> Tensor:
    """To the box and then to the ball, one image at a time."""
    found = []
    for image, one in zip(images, delta, strict=True):
        inside = (image + one).clamp(0, 1) - image
        if norm == "linf":
            found.append(inside.clamp(-epsilon, epsilon))
        else:
            length = inside.square().sum().sqrt()
            found.append(inside * min(1.0, epsilon / length.item()))
    return torch.stack(found)


def slow_start(images: Tensor, epsilon: float, norm: str, draws: torch.Generator) -> Tensor:
    """Uniform in the ball, not clipped to the box."""
    uniform = torch.rand(images.shape, generator=draws).double()  # drawn for either norm
    if norm == "linf":
        return epsilon * (2 * uniform - 1)
    directions = torch.randn(images.shape, generator=draws).double()
    radii = torch.rand(len(images), generator=draws).double() ** (1 / images[0].numel())
    return epsilon * torch.stack([r * d / d.square().sum().sqrt() for d, r in zip(directions, radii, strict=True)])
