"""Planted data: common and rare sub-clusters of each class, with memorisation and harm known by construction.

Small grey images for questions about memorisation that real data cannot answer exactly. What is shown here alone is an
existence proof, not evidence about photographs.
"""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.registry import STRICT, Registered
from cotoolkit.data.image_set import ImageSet
from cotoolkit.data.sources.base import DATASETS

LEVELS = 24
RADIUS = LEVELS / 255
"""The radius, in [0, 1] pixel units, that all distances of the set refer to: what to train and evaluate at."""

CLASSES = 10
SIDE = 5
COMMON = 5
"""Common sub-clusters of a class."""
RARE = 10
"""Rare sub-clusters of a class; the first half is benign, the other harmful."""
COMMON_IMAGES = 36
"""Images of a common sub-cluster, in the training set and in the test set."""
RARE_IMAGES = {"train": (1, 2, 3, 2, 2), "test": (2, 2, 2, 2, 2)}
"""Images of the rare sub-clusters, in turn."""

LOW, HIGH = 80, 176
"""Pixel levels of a sub-cluster's pattern: 4 radii apart."""
HARM = 36
"""How far, in levels, each pixel of a harmful pattern lies from the pattern it threatens: 1.5 radii."""
JITTER = 4
"""Largest distance, in levels, of a pixel from its sub-cluster's pattern."""

Kind = Literal["common", "benign", "harmful"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class PlantedTruth(NamedTuple):
    """What is known of some images, each an array (N,).

    Attributes:
        cluster: number of the sub-cluster; the same in training and test set.
        kind: index into `KINDS`.
        threatens: the class whose common sub-cluster a harmful image lies next to; -1 for the others.
    """

    cluster: NDArray[np.int64]
    kind: NDArray[np.int64]
    threatens: NDArray[np.int64]

    def of_kind(self, kind: Kind) -> NDArray[np.bool_]:
        """Which images are of a kind, (N,) bool."""
        found: NDArray[np.bool_] = self.kind == KINDS.index(kind)
        return found

    @property
    def threatened(self) -> NDArray[np.bool_]:
        """Which images are of a common sub-cluster that harmful ones lie next to, (N,) bool."""
        found: NDArray[np.bool_] = self.cluster % (COMMON + RARE) == 0
        return found


class Clusters(NamedTuple):
    """The sub-clusters.

    Attributes:
        patterns: (K, 1, SIDE, SIDE), in levels.
        labels: (K,).
        truth: what is known of each, (K,).
    """

    patterns: Tensor
    labels: Tensor
    truth: PlantedTruth


@DATASETS.register("planted")
@dataclass(frozen=True, config=STRICT)
class Planted(Registered):
    """Synthetic: 10 classes of 5 common sub-clusters (90 %) and 10 rare ones of 1 to 3 training images (10 %); 5 x 5.

    Each sub-cluster is a pattern of two grey levels, 4 radii apart, with a little noise; `RADIUS` is 24/255. Benign
    rare patterns are random, and farther than 3 radii in max-norm from every image of another class. Harmful ones lie
    between 1 and 2 radii from the first common sub-cluster of another class, so that the balls around both overlap: not
    both can be fitted robustly. Each class is threatened by five others, with 10 images in all against 36. Rare
    sub-clusters occur in the test set too. `planted_truth` says which image is what.
    """

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The 2,000 training and 2,000 test images, the same every time; `download` is not needed."""
        return _draw("train")[0], _draw("test")[0]


def planted_truth(images: Tensor) -> PlantedTruth:
    """What is known of images of the set, in any order and number: they are recognised by their pixels.

    Args:
        images: (N, 1, 5, 5) uint8, of the training or the test set.

    Raises:
        DataError: an image that is not of the set.
    """
    known = _by_content()
    try:
        rows = np.array([known[image.tobytes()] for image in images.numpy()], dtype=np.int64)
    except KeyError:
        raise DataError("planted_truth: not all of these images are of the planted set") from None
    truth = clusters().truth
    return PlantedTruth(truth.cluster[rows], truth.kind[rows], truth.threatens[rows])


@functools.cache
def clusters() -> Clusters:
    """All sub-clusters, class by class: common, benign rare, harmful rare."""
    draws = torch.Generator().manual_seed(0)
    common = _patterns(CLASSES * COMMON, draws)
    benign = _patterns(CLASSES * RARE // 2, draws)
    patterns, labels, kinds, threatened = [], [], [], []
    for label in range(CLASSES):
        patterns += [*common[label * COMMON : (label + 1) * COMMON]]
        patterns += [*benign[label * RARE // 2 : (label + 1) * RARE // 2]]
        kinds += [0] * COMMON + [1] * (RARE // 2) + [2] * (RARE // 2)
        threatened += [-1] * (COMMON + RARE // 2)
        for place in range(RARE // 2):
            other = (label + 1 + place) % CLASSES  # so that each is threatened equally often
            own = torch.arange(len(benign)) // (RARE // 2) == label
            patterns.append(_harmful(common[other * COMMON], benign[~own], draws))
            threatened.append(other)
        labels += [label] * (COMMON + RARE)
    numbers = np.arange(len(labels))
    truth = PlantedTruth(numbers, np.array(kinds), np.array(threatened))
    return Clusters(torch.stack(patterns), torch.tensor(labels), truth)


def _patterns(count: int, draws: torch.Generator) -> Tensor:
    return LOW + (HIGH - LOW) * torch.randint(2, (count, 1, SIDE, SIDE), generator=draws, device=draws.device)


def _harmful(threatened: Tensor, benign: Tensor, draws: torch.Generator) -> Tensor:
    """A pattern 1.5 radii off the threatened one in each pixel; the benign ones of other classes stay clear of it."""
    while True:
        pattern = threatened + HARM * (torch.randint(2, threatened.shape, generator=draws, device=draws.device) * 2 - 1)
        if (benign - pattern).abs().flatten(1).amax(1).min() > 3 * LEVELS + 2 * JITTER:
            return pattern


@functools.cache
def _draw(part: Literal["train", "test"]) -> tuple[ImageSet, Tensor]:
    """A set, shuffled, and the sub-cluster of each of its images."""
    known = clusters()
    draws = torch.Generator().manual_seed(1 if part == "train" else 2)
    counts = torch.tensor([COMMON_IMAGES] * COMMON + [*RARE_IMAGES[part]] * 2).repeat(CLASSES)
    members = torch.repeat_interleave(torch.arange(len(counts)), counts)
    members = members[torch.randperm(len(members), generator=draws, device=draws.device)]
    noise = torch.randint(-JITTER, JITTER + 1, (len(members), 1, SIDE, SIDE), generator=draws, device=draws.device)
    images = (known.patterns[members] + noise).to(torch.uint8)
    names = tuple(str(label) for label in range(CLASSES))
    return ImageSet(f"planted {part}", images, known.labels[members], CLASSES, names), members


@functools.cache
def _by_content() -> dict[bytes, int]:
    return {
        image.tobytes(): int(cluster)
        for part in ("train", "test")
        for images, members in [_draw(part)]
        for image, cluster in zip(images.images.numpy(), members, strict=True)
    }
