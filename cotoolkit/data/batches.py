"""The batches of a training run: any iteration of any epoch, on the device, the same on every visit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import generator
from cotoolkit.data.augment import Augment, Augmentation
from cotoolkit.data.image_set import ImageSet, as_float
from cotoolkit.data.intervene import materialise
from interventions.base import Intervention


class Minibatch(NamedTuple):
    """One batch of the training set.

    Attributes:
        images: (B, C, H, W) float32, in [0, 1] or beyond where an intervention leads.
        labels: (B,) int64, as the intervention left them.
        indices: (B,) int64, positions in the training set.
        augmentation: crops and flips of the epoch, by position; None for none.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    augmentation: Augmentation | None


class Batches:
    """A training set on the device, cut into shuffled batches.

    Order, crops and flips of an epoch are functions of (seed, epoch), drawn on the CPU, so a run can resume at any
    iteration or replay it, and a GPU sees the same order as a CPU. After the first batch of an epoch a batch costs what
    its images cost; going to another epoch prepares that one.

    Without an intervention the set stays in the form it came in (uint8 takes a quarter of the memory) and becomes
    float32 batch by batch. With one, the whole set is kept as float32 after the intervention, whose draws belong to the
    images: each image keeps its noise over all epochs. Augmentation comes before the intervention, in each epoch anew,
    because a flip would turn the feature injected for one class into that of another.

    Args:
        data: the training set.
        batch_size: images per batch.
        seed: the run's.
        device: where the set is kept and the batches are made.
        augment: random crops (zero padding) and left-right flips.
        padding: pixels of padding of the crops.
        intervention: change of images and labels, or None.
        drop_last: leave out the images that do not fill a last batch; else the last batch is smaller.

    Raises:
        ConfigError: the batch is larger than the set although incomplete ones are dropped; or, from the first batch on,
            the intervention does not fit the data.
    """

    def __init__(
        self,
        data: ImageSet,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        augment: Augment = "none",
        padding: int = 4,
        intervention: Intervention | None = None,
        drop_last: bool = True,
    ) -> None:
        if batch_size < 1 or (drop_last and batch_size > len(data)):
            raise ConfigError(f"batch size {batch_size} does not fit {data.name}: choose from 1 to {len(data)}")
        self.data = data
        self.batch_size = batch_size
        self.seed = seed
        self.device = torch.device(device)
        self.augment = augment
        self.padding = padding
        self.intervention = intervention
        self.drop_last = drop_last

        self._source = data.images.to(self.device)
        self._images, self._labels = self._source, data.labels.to(self.device)
        self._materialised = False
        self._epoch: int | None = None
        self._order = torch.empty(0, dtype=torch.int64)
        self._augmentation: Augmentation | None = None

    def __len__(self) -> int:
        """Iterations per epoch."""
        full, left = divmod(len(self.data), self.batch_size)
        return full + bool(left and not self.drop_last)

    def epoch(self, number: int) -> Iterator[Minibatch]:
        """The batches of one epoch, counted from 0."""
        return (self.batch(iteration) for iteration in range(number * len(self), (number + 1) * len(self)))

    def batch(self, iteration: int) -> Minibatch:
        """The batch of one iteration of the run, counted from 0 over all epochs."""
        epoch, place = divmod(iteration, len(self))
        if epoch != self._epoch:
            self._prepare(epoch)
        indices = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        images = self._images[indices]
        if self._augmentation is not None and not self._materialised:
            images = self._augmentation(images, indices)
        return Minibatch(as_float(images), self._labels[indices], indices, self._augmentation)

    def _prepare(self, epoch: int) -> None:
        count = len(self.data)
        self._epoch = None  # stays so if what follows is interrupted
        self._order = torch.randperm(count, generator=generator(self.seed, "order", epoch), device="cpu").to(
            self.device
        )
        if self.augment != "none":
            draws = generator(self.seed, "augmentation", epoch)
            self._augmentation = Augmentation.draw(self.augment, self.padding, count, draws, self.device)
        if self.intervention is not None and (self._augmentation is not None or not self._materialised):
            self._images, self._labels = materialise(
                self.data, self._source, self.intervention, self.seed, augmentation=self._augmentation
            )
            self._materialised = True
        self._epoch = epoch
