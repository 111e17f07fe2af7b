"""Small models with answers that can be written down."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def linear(weight: Tensor, bias: float = 0.0) -> nn.Sequential:
    """Logits w_c . x + bias, for weights (classes, C, H, W)."""
    layer = nn.Linear(weight[0].numel(), len(weight), dtype=weight.dtype)
    layer.weight.data = weight.flatten(1).clone()
    layer.bias.data.fill_(bias)
    return nn.Sequential(nn.Flatten(), layer)


class Quadratic(nn.Module):
    """Two logits: sum w x^2 and 0."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        score = (self.weight * images.square()).flatten(1).sum(1)
        return torch.stack([score, torch.zeros_like(score)], 1)


def conv_net(channels: int = 1, side: int = 6, classes: int = 3, seed: int = 0) -> nn.Sequential:
    """BatchNorm with a history, dropout, activations in place; one frozen layer; in training mode but for one layer."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(8 * side * side, 10),
            nn.ReLU(inplace=True),
            nn.Linear(10, classes),
        )
        model(torch.rand(8, channels, side, side)).sum().backward()
    model[3].requires_grad_(False)
    model[4].eval()
    return model


def fingerprint(model: nn.Module) -> list[object]:
    """All that the analyses must leave alone."""
    return [
        *((name, m.training, len(m._forward_hooks), len(m._backward_hooks)) for name, m in model.named_modules()),
        *((name, t.tolist()) for name, t in model.state_dict().items()),
        *((name, p.requires_grad, None if p.grad is None else p.grad.tolist()) for name, p in model.named_parameters()),
    ]
