"""The band of ConvergeSmooth, written as the released loop has it."""

import dataclasses

from tests._helpers.stepping import batch


class SlowBand:
    """Sums losses over an epoch, and says on which side of last epoch's mean a loss lies.

    Args:
        gamma: half width.
        ratio: of gamma to the least half width.
        active: epochs that have a band.
    """

    def __init__(self, gamma, ratio, active):
        self.gamma, self.ratio, self.active = gamma, ratio, active
        self.previous = self.change = self.total = 0.0
        self.count = 0

    def side(self, epoch, loss, samples):
        loss = loss.item()
        self.total += loss * samples
        self.count += samples
        if epoch not in self.active:
            return 0
        width = min(max(self.gamma / self.ratio, self.change), self.gamma)
        assert abs(abs(loss - self.previous) - width) > 1e-5, "take another seed"
        if abs(loss - self.previous) <= width:
            return 0
        return 1 if loss > self.previous else -1

    def end_epoch(self):
        mean = self.total / self.count
        self.change, self.previous = mean - self.previous, mean
        self.total, self.count = 0.0, 0


def training(threat, *, epochs=5, length=2, seed=0):
    """The batches of a short training; the last one of an epoch is smaller."""
    for epoch in range(epochs):
        for step in range(length):
            done = epoch * length + step
            size = 6 if step < length - 1 else 4
            fresh = batch(threat, size=size, seed=100 * seed + step, progress=done / (epochs * length))
            yield dataclasses.replace(fresh, iteration=done, epoch_length=length)
