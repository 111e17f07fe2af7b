"""Named data sets and a user's own, in memory, and the seeded batches that a training run sees."""

from cotoolkit.data.augment import Augment, Augmentation
from cotoolkit.data.batches import Batches, Minibatch
from cotoolkit.data.config import DataConfig, DataSplits, Subset, load
from cotoolkit.data.image_set import ImageSet
from cotoolkit.data.intervene import apply_intervention
from cotoolkit.data.sources import DATASETS
from cotoolkit.data.sources.planted import planted_truth

__all__ = [
    "DATASETS",
    "Augment",
    "Augmentation",
    "Batches",
    "DataConfig",
    "DataSplits",
    "ImageSet",
    "Minibatch",
    "Subset",
    "apply_intervention",
    "load",
    "planted_truth",
]
