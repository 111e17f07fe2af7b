"""MNIST, handwritten digits."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass

from cotoolkit.core.registry import STRICT
from cotoolkit.data.sources.base import DATASETS, DIGIT_NAMES
from cotoolkit.data.sources.mnist_format import IdxSet


@DATASETS.register("mnist", "MNIST")
@dataclass(frozen=True, config=STRICT)
class MNIST(IdxSet):
    """Handwritten digits, 28 x 28, grey."""

    torchvision_class: ClassVar[str] = "MNIST"
    class_names: ClassVar[tuple[str, ...]] = DIGIT_NAMES
