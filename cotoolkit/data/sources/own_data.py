"""A user's own data: a function that returns a data set."""

from __future__ import annotations

from typing import Any

from pydantic.dataclasses import dataclass
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.reading.items import as_columns, as_tensors, stack_items, stated_classes
from cotoolkit.core.reading.labels import known_labels, renumbered
from cotoolkit.core.registry import STRICT
from cotoolkit.core.user_code import FAILURES, describe, import_callable, takes
from cotoolkit.data.image_set import ImageSet


@dataclass(frozen=True, config=STRICT)
class OwnData:
    """A function `f(train: bool)` that returns a torch Dataset of (image, label), or a pair (images, labels).

    Images are tensors or arrays (C, H, W) or (H, W), uint8 or floats in [0, 1], or PIL images; a pair has them stacked.
    Pairs may be dictionaries with `image` and `label`. Where the training set names its `classes`, labels are numbers
    of these, from 0. Otherwise any whole numbers are labels: each that the training set has is a class, in ascending
    order, with the label as its name.

    Attributes:
        target: `module:function`.
    """

    target: str

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """What the function returns for `train=True` and for `train=False`."""
        train, test = (self.part(train) for train in (True, False))
        images, labels = self._tensors(train, "train")
        test_images, test_labels = self._tensors(test, "test")
        names = stated_classes(train)
        if names is None:  # a test set may lack a class, so the training set says which there are
            known = known_labels(labels, self.target)
            labels = renumbered(labels, known, f"{self.target} (train)")
            test_labels = renumbered(test_labels, known, f"{self.target} (test)")
            names = tuple(str(int(label)) for label in known)
        return (
            ImageSet(f"{self.target} (train)", images, labels, len(names), names),
            ImageSet(f"{self.target} (test)", test_images, test_labels, len(names), names),
        )

    def part(self, train: bool) -> Any:
        """What the function returns for the training or for the test set, as it is.

        Raises:
            DataError: there is no such function, or it fails.
        """
        function = import_callable(self.target, DataError)
        if not takes(function, train=True):
            raise DataError(
                f"{self.target} does not take `train` alone; write a function f(train: bool) that returns a torch "
                "Dataset or the pair (images, labels)"
            )
        try:
            return function(train=train)
        except FAILURES as failure:
            raise DataError(f"{self.target}(train={train}) failed: {describe(failure)}") from failure

    def _tensors(self, data: Any, part: str) -> tuple[Tensor, Tensor]:
        where = f"{self.target} ({part})"
        data = as_columns(data, where) or data
        if not isinstance(data, tuple | list):
            return stack_items(data, None, where)
        if len(data) != 2:
            raise DataError(f"{where}: {len(data)} parts; return a torch Dataset, or the pair (images, labels)")
        return as_tensors(data[0], data[1], where)
