"""Fashion-MNIST, articles of clothing."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic.dataclasses import dataclass

from cotoolkit.core.registry import STRICT
from cotoolkit.data.sources.base import DATASETS
from cotoolkit.data.sources.mnist_format import IdxSet


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
