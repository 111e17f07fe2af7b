"""A user's own data: a tree of image folders, or a function that returns a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.registry import STRICT
from cotoolkit.core.user_code import describe, import_callable
from cotoolkit.data.image_set import ImageSet, as_tensors, stack_items


@dataclass(frozen=True, config=STRICT)
class ImageFolders:
    """Image files in `train/<class>/` and in `val/<class>/` or `test/<class>/`, read as RGB.

    Attributes:
        path: the folder that holds `train`.
        size: side in pixels to which every image is brought: its shorter side is resized (bilinear, antialiased), the
            middle is cropped. None: the images must all have one size.
    """

    path: Path
    size: int | None = None

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The images of `train`, and those of `test`, or of `val` if there is no `test`.

        Raises:
            DataError: a folder is missing, a file is no image, or images and classes do not fit together.
        """
        root = self.path.expanduser()
        test = next((root / part for part in ("test", "val") if (root / part).is_dir()), None)
        if test is None or not (root / "train").is_dir():
            raise DataError(f"{root} must hold the folders train and test (or val), each with one folder per class")
        train_set, test_set = self._part(root / "train"), self._part(test)
        if train_set.class_names != test_set.class_names:
            differing = sorted({*train_set.class_names} ^ {*test_set.class_names})
            raise DataError(f"{root}: train and {test.name} must have the same classes; they differ in {differing}")
        return train_set, test_set

    def _part(self, folder: Path) -> ImageSet:
        from torchvision.datasets import ImageFolder
        from torchvision.transforms import v2

        try:
            found = ImageFolder(folder)
        except FileNotFoundError as failure:
            raise DataError(f"{folder}: {failure}") from failure
        steps = [v2.PILToTensor()]
        if self.size is not None:
            steps += [v2.Resize(self.size, antialias=True), v2.CenterCrop(self.size)]
        convert = v2.Compose(steps)

        images: list[Tensor] = []
        for file, _ in found.samples:
            try:
                image = convert(found.loader(file))
            except OSError as failure:
                raise DataError(
                    f"{file} cannot be read as an image ({describe(failure)}); delete it or get it again"
                ) from failure
            if images and image.shape != images[0].shape:
                (height, width), (h, w) = images[0].shape[1:], image.shape[1:]
                raise DataError(f"{file} has {h} x {w} pixels, others {height} x {width}; choose a size to resize to")
            images.append(image)
        return ImageSet(
            str(folder), torch.stack(images), torch.tensor(found.targets), len(found.classes), tuple(found.classes)
        )


@dataclass(frozen=True, config=STRICT)
class OwnData:
    """A function `f(train: bool)` that returns a torch Dataset of (image, label), or a pair (images, labels).

    Images are tensors or arrays (C, H, W) or (H, W), uint8 or floats in [0, 1], or PIL images; a pair has them stacked.
    The classes are numbered from 0; their names are the data set's `classes`, if it has that attribute.

    Attributes:
        target: `module:function`.
    """

    target: str

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """What the function returns for `train=True` and for `train=False`."""
        train, test = (self.part(train) for train in (True, False))
        names = getattr(train, "classes", None)
        images, labels = self._tensors(train, "train")
        test_images, test_labels = self._tensors(test, "test")
        # A test set may lack the last class, so the training set says how many there are.
        class_names = tuple(map(str, names if names is not None else range(int(labels.max()) + 1)))
        count = len(class_names)
        return (
            ImageSet(f"{self.target} (train)", images, labels, count, class_names),
            ImageSet(f"{self.target} (test)", test_images, test_labels, count, class_names),
        )

    def part(self, train: bool) -> Any:
        """What the function returns for the training or for the test set, as it is.

        Raises:
            DataError: there is no such function, or it fails.
        """
        function = import_callable(self.target, DataError)
        try:
            return function(train=train)
        except Exception as failure:
            raise DataError(f"{self.target}(train={train}) failed: {describe(failure)}") from failure

    def _tensors(self, data: Any, part: str) -> tuple[Tensor, Tensor]:
        where = f"{self.target} ({part})"
        if not isinstance(data, tuple | list):
            data = stack_items(data, None, where)
        if len(data) != 2:
            raise DataError(f"{where}: {len(data)} parts; return a torch Dataset, or the pair (images, labels)")
        return as_tensors(data[0], data[1], where)
