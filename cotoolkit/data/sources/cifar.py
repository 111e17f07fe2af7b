"""CIFAR-10 and CIFAR-100, small photographs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic.dataclasses import dataclass

from cotoolkit.core.registry import STRICT, Registered
from cotoolkit.data.image_set import ImageSet
from cotoolkit.data.sources.base import DATASETS, data_folder, torchvision_set


class CIFAR(Registered):
    """The two CIFAR sets: 50,000 training and 10,000 test images, 3 x 32 x 32."""

    torchvision_class: ClassVar[str]

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The training and the test set, checked against their official MD5 sums."""
        root = data_folder(self.name, download)
        train = torchvision_set(self.torchvision_class, self.name, root, download, train=True)
        return self._part(train), self._part(torchvision_set(self.torchvision_class, self.name, root, train=False))

    def _part(self, loaded: Any) -> ImageSet:
        images = torch.from_numpy(np.ascontiguousarray(loaded.data.transpose(0, 3, 1, 2)))
        return ImageSet(self.name, images, torch.tensor(loaded.targets), len(loaded.classes), tuple(loaded.classes))


@DATASETS.register("cifar10", "cifar-10", "CIFAR10", "CIFAR-10")
@dataclass(frozen=True, config=STRICT)
class CIFAR10(CIFAR):
    """Small photographs of 10 classes."""

    torchvision_class: ClassVar[str] = "CIFAR10"


@DATASETS.register("cifar100", "cifar-100", "CIFAR100", "CIFAR-100")
@dataclass(frozen=True, config=STRICT)
class CIFAR100(CIFAR):
    """Small photographs of 100 classes."""

    torchvision_class: ClassVar[str] = "CIFAR100"
