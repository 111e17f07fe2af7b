"""A labelled set of images in memory, which every data source yields."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cotoolkit.core.errors import DataError


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with one label each.

    Attributes:
        name: where it comes from, for messages: `cifar10 test`.
        images: (N, C, H, W), uint8 pixel levels or float32 in [0, 1].
        labels: (N,) int64 in [0, classes).
        classes: number of classes, at least 2; a class without an image is allowed.
        class_names: one per class.
        leave: images may leave [0, 1], as those with an injected feature do.

    Raises:
        DataError: a shape, type or range is not as above.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: int
    class_names: tuple[str, ...]
    leave: bool = False

    def __post_init__(self) -> None:
        self._check_images()
        self._check_labels()
        if len(self.class_names) != self.classes:
            raise DataError(f"{self.name}: {self.classes} classes but {len(self.class_names)} class names")

    def _check_images(self) -> None:
        images = self.images
        if images.ndim != 4:
            raise DataError(f"{self.name}: images have shape {tuple(images.shape)}; give (N, C, H, W)")
        if images.numel() == 0:
            raise DataError(f"{self.name}: no images, their shape is {tuple(images.shape)}")
        if images.dtype == torch.uint8:
            return
        if images.dtype != torch.float32:
            raise DataError(f"{self.name}: images are {images.dtype}; give uint8, or float32 in [0, 1]")
        low, high = (float(bound) for bound in torch.aminmax(images))
        least, greatest = (-math.inf, math.inf) if self.leave else (0, 1)
        if not (low >= least and high <= greatest):  # written so that nan, which aminmax propagates, fails too
            raise DataError(
                f"{self.name}: pixels run from {low:g} to {high:g}; scale them to [0, 1] and leave normalisation "
                f"to the model"
            )

    def _check_labels(self) -> None:
        if self.labels.dtype != torch.int64:
            raise DataError(f"{self.name}: labels are {self.labels.dtype}; give int64")
        if self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"{self.name}: {len(self.images)} images but labels of shape {tuple(self.labels.shape)}; "
                f"give one label per image"
            )
        if self.classes < 2:
            raise DataError(f"{self.name}: {self.classes} class; a classifier needs at least 2")
        low, high = (int(bound) for bound in torch.aminmax(self.labels))
        if low < 0 or high >= self.classes:
            raise DataError(f"{self.name}: labels run from {low} to {high}; number the classes 0 to {self.classes - 1}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def pick(self, indices: Tensor) -> ImageSet:
        """The images at `indices` (int64), in that order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])


def as_float(images: Tensor) -> Tensor:
    """Images as float32 in [0, 1]: pixel levels divided by 255, float images as they are."""
    return images.float() / 255 if images.dtype == torch.uint8 else images
