"""The first images of each class of CIFAR-100: few images of many classes, most of them alone of their kind."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.data import DATASETS
from cotoolkit.data.image_set import ImageSet
from cotoolkit.data.sources.base import data_folder

TRAINING, TEST = 100, 20
"""Images of each class."""

FOLDER = "cifar100_first"
"""In COTOOLKIT_DATA, for those who have these images and not the data set: train.npz and test.npz, each with `images`
(N, 3, 32, 32) uint8 and `labels` (N,)."""


def cifar100_first(train: bool) -> tuple[Tensor, Tensor]:
    """The first 100 training and 20 test images of each class, without those that CIFAR-100 has more than once.

    Args:
        train: which part.

    Returns:
        Images (N, 3, 32, 32) uint8 in the official order, and labels (N,) in 0 to 99.

    Raises:
        DataError: neither the data set nor the folder of these images is in COTOOLKIT_DATA.
    """
    file = data_folder("cifar100", download=False) / FOLDER / f"{'train' if train else 'test'}.npz"
    if file.is_file():
        with np.load(file) as stored:
            return torch.from_numpy(stored["images"]), torch.from_numpy(stored["labels"])
    try:
        whole = DATASETS["cifar100"]().read(download=False)
    except DataError as missing:
        raise DataError(
            "the first images of CIFAR-100 are cut from all of it, which is not in COTOOLKIT_DATA: fetch it by a run "
            "with data=cifar100 and --download"
        ) from missing
    return first_images(*whole, train=train)


def first_images(training: ImageSet, test: ImageSet, *, train: bool) -> tuple[Tensor, Tensor]:
    """The same, cut from the whole data set.

    Args:
        training: its training set.
        test: its test set.
        train: which part is wanted.

    Returns:
        Images and labels, in their order.
    """
    pixels = torch.cat([training.images, test.images]).flatten(1)
    _, which, times = torch.unique(pixels, dim=0, return_inverse=True, return_counts=True)
    once = (times[which] == 1).split([len(training), len(test)])
    part, single, count = (training, once[0], TRAINING) if train else (test, once[1], TEST)
    firsts = [torch.nonzero(single & (part.labels == label))[:count, 0] for label in range(part.classes)]
    rows = torch.cat(firsts).sort().values
    return part.images[rows], part.labels[rows]
