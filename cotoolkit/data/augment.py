"""Random crops and flips of a whole epoch: drawn at once, applied to any batch of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Augment = Literal["none", "flip", "crop", "crop_flip"]


@dataclass(frozen=True, eq=False)
class Augmentation:
    """The crop and the flip of every image of a set, for one epoch.

    Attributes:
        padding: zero pixels put around an image before it is cropped back to its size.
        rows: (N,) int64 in [0, 2 * padding], first row of the crop in the padded image; None for no cropping.
        columns: (N,) like `rows`.
        flips: (N,) bool, whether the image is mirrored left to right; None for no flipping.
    """

    padding: int
    rows: Tensor | None
    columns: Tensor | None
    flips: Tensor | None

    @classmethod
    def draw(
        cls, augment: Augment, padding: int, count: int, generator: torch.Generator, device: torch.device
    ) -> Augmentation:
        """Draw for `count` images: crops uniform over all positions, flips with probability 1/2.

        The numbers are drawn on the generator's device and then moved, so they do not depend on `device`.

        Args:
            augment: which of crops and flips.
            padding: zero pixels around an image before it is cropped.
            count: images of the set, N.
            generator: of the epoch.
            device: where the images are.

        Returns:
            The augmentation of the epoch.
        """

        def integers(high: int) -> Tensor:
            return torch.randint(high, (count,), generator=generator, device=generator.device).to(device)

        rows = columns = flips = None
        if augment in ("crop", "crop_flip"):
            rows, columns = integers(2 * padding + 1), integers(2 * padding + 1)
        if augment in ("flip", "crop_flip"):
            flips = integers(2).bool()
        return cls(padding, rows, columns, flips)

    def __call__(self, images: Tensor, indices: Tensor) -> Tensor:
        """Crop and flip the images whose positions in the set are `indices`.

        Shapes: (B, C, H, W) and (B,) -> (B, C, H, W), of the same type.
        """
        if self.rows is not None and self.columns is not None:
            images = self._crop(images, self.rows[indices], self.columns[indices])
        if self.flips is not None:
            images = torch.where(self.flips[indices, None, None, None], images.flip(3), images)
        return images

    def undone(self, images: Tensor, indices: Tensor, outside: Tensor) -> Tensor:
        """Inverse of the call: every pixel goes back to where it came from.

        Args:
            images: (B, C, H, W), cropped and flipped.
            indices: (B,), their positions in the set.
            outside: (B, C, H, W), what stands where the crop cut pixels off.

        Returns:
            (B, C, H, W), as before cropping and flipping.
        """
        if self.flips is not None:
            images = torch.where(self.flips[indices, None, None, None], images.flip(3), images)
        if self.rows is None or self.columns is None:
            return images
        # Moving back by as much as the crop moved; a crop of ones says which pixels it has seen.
        rows, columns = (2 * self.padding - moved[indices] for moved in (self.rows, self.columns))
        seen = self._crop(torch.ones_like(images[:, :1]), rows, columns) > 0
        return torch.where(seen, self._crop(images, rows, columns), outside)

    def _crop(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        count, _, height, width = images.shape
        # A view of every possible crop, of which one per image is copied.
        crops = F.pad(images, [self.padding] * 4).unfold(2, height, 1).unfold(3, width, 1)
        return crops[torch.arange(count, device=images.device), :, rows, columns]
