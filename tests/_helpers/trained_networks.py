"""Networks trained on digits in seconds, one for each verdict, and the ways to hide a gradient."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cotoolkit.attacks.gradient import fgsm, pgd
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.data import DataConfig, load
from cotoolkit.data.image_set import as_float
from cotoolkit.models import parse_model
from interventions import Inject

RADIUS = 0.25
"""At which FGSM collapses."""


class Trained(NamedTuple):
    model: nn.Module
    images: Tensor
    labels: Tensor
    epsilon: float


def never_trained() -> nn.Module:
    with fork_global_rng(0, "init"):
        return parse_model("small_cnn").build((1, 8, 8), 10).eval()


def digits(*, injected: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sets = load(DataConfig(name="digits"), 0)
    parts = []
    for part in (sets.train, sets.test):
        images = as_float(part.images)
        if injected:
            images = Inject("paired", beta=0.15)(images, part.labels, classes=10)[0].clamp(0, 1)
        parts += [images, part.labels]
    return tuple(parts)


def train_once(path: Path, method: str, *, injected: bool = False, epsilon: float = RADIUS, **settings) -> Trained:
    """As `train`, by one of the processes that share a file; the others read it there."""
    if path.exists():
        model = never_trained()
        model.load_state_dict(load_file(path))
        return Trained(model, *digits(injected=injected)[2:], epsilon)
    found = train(method, injected=injected, epsilon=epsilon, **settings)
    own = path.with_suffix(f".{os.getpid()}")
    save_file(found.model.state_dict(), own)
    own.replace(path)
    return found


def train(method: str, *, epsilon: float = RADIUS, injected: bool = False, iterations: int = 400) -> Trained:
    """SGD with a cyclic rate; the attack's radius grows over the first quarter."""
    images, labels, test_images, test_labels = digits(injected=injected)
    model, draws, threat = never_trained(), torch.Generator().manual_seed(0), ThreatModel(epsilon)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, iterations)
    for iteration in range(iterations):
        batch = torch.randint(len(images), (64,), generator=draws)
        here, true = images[batch], labels[batch]
        ball = threat.scaled(min(1, 4 * (iteration + 1) / iterations))
        if method == "fgsm":
            here = here + fgsm(model, here, true, ball).delta
        if method == "pgd":
            here = here + pgd(model, here, true, ball, generator=draws, steps=3).delta
        optimiser.zero_grad()
        F.cross_entropy(model(here), true).backward()
        optimiser.step()
        schedule.step()
    return Trained(model.eval(), test_images, test_labels, epsilon)


class Hiding(nn.Module):
    """A network behind something that hides its gradient."""

    def __init__(self, network: nn.Module, how: str) -> None:
        super().__init__()
        self.network, self.how = network, how

    def forward(self, images: Tensor) -> Tensor:
        if self.how == "quantised":
            return self.network((8 * images).round() / 8)
        if self.how == "detached":
            return self.network(images.detach())
        if self.how == "random":
            return self.network(images + 0.2 * torch.randn_like(images))
        return 1e4 * self.network(images)
