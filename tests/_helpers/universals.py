"""A slow step from universal perturbations, as the released loops have it."""

import torch

from tests._helpers.slow_banks import (
    assert_same_deltas,
    clipped,
    decided,
    mean_loss,
    one_hot,
    slopes,
    squared_distance,
    updated,
)


class SlowUniversals:
    """Perturbations in pixel units and their momenta, for methods with amplitude 0.09, step 0.08 in a ball of 0.1.

    Args:
        memory: of the method, at its start.
    """

    def __init__(self, memory):
        self.perturbations = 0.09 * memory["universal"].double()
        self.momenta = memory["momentum"].double().clone()

    def step(self, twin, given, keys, noise=0.0):
        """The perturbation trained on; `twin` is updated, with smoothing 0.3, penalty 3 and decay 0.6."""
        targets = [one_hot(label, 0.3, over_all=True) for label in given.labels]
        start = clipped(given.images, torch.stack([self.perturbations[key] for key in keys]) + noise, 0.1)
        gradients = slopes(twin, given.images + start, targets)
        delta = clipped(given.images, start + 0.08 * gradients.sign(), 0.1)
        first, second = twin(given.images + start), twin(given.images + delta)
        updated(twin, mean_loss(second, targets) + 3 * squared_distance(second, first))
        gradients = gradients / gradients.abs().sum()
        for key in set(keys):
            own = torch.stack([gradient for gradient, its in zip(gradients, keys, strict=True) if its == key])
            self.momenta[key] = own.mean(0) + 0.6 * self.momenta[key]
            decided(self.momenta[key])
            moved = self.perturbations[key] + 0.09 * self.momenta[key].sign()
            self.perturbations[key] = moved.clamp(-0.09, 0.09)
        return delta

    def assert_same(self, memory, record, delta):
        """As what the method remembers, and trained on."""
        assert_same_deltas(record, delta)
        assert torch.equal(memory["universal"], (self.perturbations / 0.09).round().float())
        torch.testing.assert_close(memory["momentum"].double(), self.momenta, atol=1e-8, rtol=1e-4)
