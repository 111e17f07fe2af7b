"""The public data sets by name, read from scikit-learn, from a Debian package, or from the folder COTOOLKIT_DATA."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from pydantic.dataclasses import dataclass

from cotoolkit.core.errors import DataError
from cotoolkit.core.registry import STRICT, Registered, Registry
from cotoolkit.core.user_code import describe
from cotoolkit.data.digits import read_digits
from cotoolkit.data.image_set import ImageSet
from cotoolkit.data.mnist_format import read_idx
from cotoolkit.data.split import rest, stratified

DIGIT_NAMES = tuple("0123456789")


class Source(Protocol):
    """Where a training set and a test set come from."""

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The training and the test set; fetched from the network if they are missing and `download` is set.

        Raises:
            DataError: missing, damaged, or not a set of images to classify.
        """
        ...


class NamedSource(Source, Protocol):
    """A source in `DATASETS`."""

    name: ClassVar[str]


DATASETS = Registry[NamedSource]("data set")
"""The public data sets by name."""


@DATASETS.register("digits")
@dataclass(frozen=True, config=STRICT)
class Digits(Registered):
    """Handwritten digits from scikit-learn: 1,797 images of 8 x 8 pixels, part of the library, nothing to download.

    The 17 pixel levels v = 0..16 become uint8 (255 v + 8) // 16, which is 255 v / 16 rounded half up, so 0 stays 0 and
    16 becomes 255. The set comes in one piece; 360 images, the same for every seed, with the class shares of the whole,
    are its test set.
    """

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The 1,437 training and 360 test images; `download` is not needed."""
        levels, labels = read_digits()
        images = ((levels.unsqueeze(1).to(torch.int64) * 255 + 8) // 16).to(torch.uint8)
        whole = ImageSet("digits", images, labels, 10, DIGIT_NAMES)
        test = stratified(labels, 360, torch.Generator().manual_seed(0))
        return whole.pick(rest(len(whole), test)), whole.pick(test)


class IdxSet(Registered):
    """MNIST and its replacements: four IDX files, plain or gzipped."""

    torchvision_class: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]
    system_folders: ClassVar[tuple[Path, ...]] = ()
    advice: ClassVar[str] = ""

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The 60,000 training and 10,000 test images, 1 x 28 x 28."""
        folder = self._folder(download)
        return self._part(folder, "train"), self._part(folder, "t10k")

    def _folder(self, download: bool) -> Path:
        value = os.environ.get("COTOOLKIT_DATA")
        own = [Path(value).expanduser() / self.torchvision_class / "raw"] if value else []
        for folder in (*own, *self.system_folders):
            if all(
                _idx_file(folder, part, kind).exists() for part in ("train", "t10k") for kind in ("images", "labels")
            ):
                return folder
        root = data_folder(self.name, download, self.advice)
        folder = root / self.torchvision_class / "raw"
        if not download:
            raise DataError(f"{self.name}: not all of its four files are in {folder}; add --download{self.advice}")
        torchvision_set(self.torchvision_class, self.name, root, download=True)
        return folder

    def _part(self, folder: Path, part: str) -> ImageSet:
        images = read_idx(_idx_file(folder, part, "images"), dimensions=3).unsqueeze(1)
        labels = read_idx(_idx_file(folder, part, "labels"), dimensions=1).to(torch.int64)
        return ImageSet(f"{self.name} in {folder}", images, labels, len(self.class_names), self.class_names)


def _idx_file(folder: Path, part: str, kind: str) -> Path:
    file = folder / f"{part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
    return file if file.exists() else file.with_name(f"{file.name}.gz")


@DATASETS.register("mnist", "MNIST")
@dataclass(frozen=True, config=STRICT)
class MNIST(IdxSet):
    """Handwritten digits, 28 x 28, grey."""

    torchvision_class: ClassVar[str] = "MNIST"
    class_names: ClassVar[tuple[str, ...]] = DIGIT_NAMES


@DATASETS.register("fashion_mnist", "fashion-mnist", "fashion", "FashionMNIST")
@dataclass(frozen=True, config=STRICT)
class FashionMNIST(IdxSet):
    """Articles of clothing, 28 x 28, grey; found by itself if Debian installed dataset-fashion-mnist."""

    torchvision_class: ClassVar[str] = "FashionMNIST"
    class_names: ClassVar[tuple[str, ...]] = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
    system_folders: ClassVar[tuple[Path, ...]] = (Path("/usr/share/datasets/fashion-mnist"),)
    advice: ClassVar[str] = ", or install Debian's package dataset-fashion-mnist"


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


def data_folder(name: str, download: bool, advice: str = "") -> Path:
    """The folder that the environment variable COTOOLKIT_DATA names; made if something is to be downloaded into it.

    Raises:
        DataError: the variable is unset, or names no folder and nothing is to be downloaded.
    """
    value = os.environ.get("COTOOLKIT_DATA")
    if not value:
        raise DataError(
            f"{name}: no data folder; set COTOOLKIT_DATA to the folder that holds it, or to an empty one and add "
            f"--download{advice}"
        )
    folder = Path(value).expanduser()
    if not folder.is_dir() and not download:
        raise DataError(
            f"{name}: COTOOLKIT_DATA is {folder}, which is no folder; correct it, or add --download{advice}"
        )
    return folder


def torchvision_set(class_name: str, name: str, root: Path, download: bool = False, **part: Any) -> Any:
    """An instance of a torchvision data set; what goes wrong becomes one line.

    Raises:
        DataError: the files are not there, differ from their official MD5 sums, or cannot be downloaded.
    """
    from torchvision import datasets

    try:
        return getattr(datasets, class_name)(root, download=download, **part)
    except (OSError, RuntimeError) as failure:  # URLError is an OSError; everything else torchvision calls RuntimeError
        if download:
            raise DataError(f"{name}: download into {root} failed ({describe(failure)}); try again") from failure
        raise DataError(
            f"{name}: its files in {root} are missing or damaged (MD5 sums differ); delete what is there of it and add "
            f"--download"
        ) from failure
