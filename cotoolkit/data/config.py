"""Which data a run uses, as configuration, and the three sets that come out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

from annotated_types import Ge, Gt, Lt
from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from torch import Tensor

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.core.numbers import Number, Whole
from cotoolkit.core.seeding import generator
from cotoolkit.core.validation import plain
from cotoolkit.data.augment import Augment
from cotoolkit.data.image_masks import MarksFile, marks_of
from cotoolkit.data.image_set import ImageSet
from cotoolkit.data.sources import DATASETS, DataSource
from cotoolkit.data.sources.image_folders import ImageFolders
from cotoolkit.data.sources.own_data import OwnData
from cotoolkit.data.subsets import random_subset, remaining, stratified


class Subset(BaseModel):
    """A random part of the training images, one of many: what estimates of memorisation train on.

    Attributes:
        number: which part. With a share of one half, parts 2 k and 2 k + 1 are the two halves of one cut.
        share: of the training images, rounded down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Annotated[Whole, Ge(0)]
    share: Annotated[Number, Gt(0), Lt(1)] = 0.5

    def members(self, count: int, seed: int) -> Tensor:
        """Which of the training images belong to it.

        Args:
            count: training images.
            seed: of the split.

        Returns:
            (count,) bool.
        """
        return random_subset(count, self.number, self.share, seed)


class DataConfig(BaseModel):
    """The data of a run. Text stands for a configuration with that name and the defaults.

    >>> DataConfig.model_validate("fashion").model_dump(include={"name", "holdout", "augment"})
    {'name': 'fashion_mnist', 'holdout': 0.1, 'augment': 'none'}

    Attributes:
        name: a name or alias in `DATASETS`; `folder:/path` for image folders; `module:function` for own data.
        train_size: images to train on; None for all that are not held out. Subsets keep the class shares of the set.
        test_size: test images; None for all. The same subset for every seed, so that runs compare.
        holdout: training images kept out of training, to choose checkpoints and watch the run: a number of images, or a
            share of the training set below 1. The held-out images depend on the seed, not on `train_size`.
        augment: random left-right flips, crops, or both.
        padding: pixels of zero padding of the crops.
        size: side in pixels to which image folders are resized.
        split: seed that decides which training images are used and held out; None means the run's.
        subset: the random part of these training images that the run sees; None for all. It cuts nothing else.
        only: in place of a random part, those that a .npy file marks with True, one bool per training image; the path
            stands with a stamp of the content, PATH#DIGEST.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    train_size: Annotated[Whole, Gt(0)] | None = None
    test_size: Annotated[Whole, Gt(0)] | None = None
    holdout: int | float = 0.1
    augment: Augment = "none"
    padding: Annotated[Whole, Ge(1)] = 4
    size: Annotated[Whole, Gt(0)] | None = None
    split: Annotated[Whole, Ge(0)] | None = None
    subset: Subset | None = None
    only: MarksFile | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("name")
    @classmethod
    def _canonical(cls, name: str) -> str:
        # One name per data set: aliases must not give equal runs different identities.
        return name if ":" in name else DATASETS[name].name

    @field_validator("holdout", mode="before")
    @classmethod
    def _pythons_number(cls, holdout: Any) -> Any:
        if isinstance(holdout, bool):
            raise ValueError(f"not a number: {holdout}")
        return plain(holdout)  # of numpy's numbers pydantic would make floats, and so a share of a number of images

    @field_validator("holdout")
    @classmethod
    def _share_or_number(cls, holdout: int | float) -> int | float:
        if holdout < 0 or (isinstance(holdout, float) and holdout >= 1):
            raise ValueError("give a whole number of images, or a share of the training set from 0 up to, not with, 1")
        return holdout

    @model_validator(mode="after")
    def _size_is_for_folders(self) -> DataConfig:
        if self.size is not None and not self.name.startswith("folder:"):
            raise ValueError(f"size resizes image folders (folder:/path); {self.name} has its own size")
        return self

    @model_validator(mode="after")
    def _one_choice_of_part(self) -> DataConfig:
        if self.subset is not None and self.only is not None:
            raise ValueError("subset and only both choose a part of the training images; give one of them")
        return self

    def source(self) -> DataSource:
        """Where the data comes from.

        Raises:
            DataError: `folder:` without a path.
        """
        kind, colon, path = self.name.partition(":")
        if kind == "folder":
            if not path.strip():
                raise DataError(f"{self.name!r} names no folder; write folder:PATH")
            return ImageFolders(Path(path), self.size)
        return OwnData(self.name) if colon else DATASETS[self.name]()


class DataSplits(NamedTuple):
    """The sets of a run, without images in common; `holdout` is None if none is kept."""

    train: ImageSet
    holdout: ImageSet | None
    test: ImageSet


def load(config: DataConfig, seed: int, download: bool = False) -> DataSplits:
    """Read the data and draw the training, the held-out and the test images.

    Args:
        config: the data.
        seed: the run's; it decides which training images are used and which held out.
        download: fetch missing data from the network into COTOOLKIT_DATA.

    Returns:
        The three sets.

    Raises:
        DataError: missing or damaged data, sets that do not fit together, or fewer images than asked for.
    """
    train, test = config.source().read(download)
    if train.shape != test.shape or train.images.dtype != test.images.dtype:
        kinds = [f"{part.images.dtype} {part.shape}" for part in (train, test)]
        raise DataError(f"{config.name}: training images are {kinds[0]}, test images {kinds[1]}; make them alike")

    seed = seed if config.split is None else config.split
    draws = generator(seed, "split")
    count = round(config.holdout * len(train)) if isinstance(config.holdout, float) else config.holdout
    if count + (config.train_size or 1) > len(train):
        wanted = f"{config.train_size or 'at least 1'} to train on and {count} held out"
        raise DataError(f"{config.name} has {len(train)} training images, too few for {wanted}")
    if config.test_size is not None and config.test_size > len(test):
        raise DataError(f"{config.name} has {len(test)} test images, fewer than the test_size {config.test_size}")

    holdout = None
    if count:
        kept = stratified(train.labels, count, draws)
        holdout, train = train.pick(kept), train.pick(remaining(len(train), kept))
    if config.train_size is not None:
        train = train.pick(stratified(train.labels, config.train_size, draws))
    if config.subset is not None:
        chosen = config.subset.members(len(train), seed).nonzero().flatten()
        if len(chosen) == 0:
            raise DataError(
                f"{config.name}: a share of {config.subset.share:g} of {len(train)} training images is none"
            )
        train = train.pick(chosen)
    if config.only is not None:
        train = train.pick(_marked(config.only, len(train)))
    if config.test_size is not None:
        test = test.pick(stratified(test.labels, config.test_size, generator(0, "split", 1)))
    return DataSplits(train, holdout, test)


def _marked(only: str, count: int) -> Tensor:
    """Indices of the marked ones among `count` training images."""
    try:
        chosen = marks_of(only, count).nonzero().flatten()
    except ConfigError as error:
        raise DataError(f"data.only: {error}") from None
    if len(chosen) == 0:
        raise DataError(f"data.only: {only} marks no training image")
    return chosen
