"""SVHN, house numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic.dataclasses import dataclass

from cotoolkit.core.registry import STRICT, Registered
from cotoolkit.data.image_set import ImageSet
from cotoolkit.data.sources.base import DATASETS, DIGIT_NAMES, data_folder, torchvision_set


@DATASETS.register("svhn", "SVHN")
@dataclass(frozen=True, config=STRICT)
class SVHN(Registered):
    """House numbers: 73,257 training and 26,032 test images, 3 x 32 x 32; the classes are not balanced."""

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The training and the test set, checked against their official MD5 sums."""
        root = data_folder(self.name, download)
        return self._part(root, download, "train"), self._part(root, download, "test")

    def _part(self, root: Path, download: bool, split: str) -> ImageSet:
        loaded = torchvision_set("SVHN", self.name, root, download, split=split)
        images, labels = torch.from_numpy(np.ascontiguousarray(loaded.data)), torch.from_numpy(loaded.labels)
        return ImageSet(self.name, images, labels, 10, DIGIT_NAMES)
