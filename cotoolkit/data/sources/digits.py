"""Handwritten digits, read from the file that scikit-learn ships; importing that library would cost seconds.

Source: scikit-learn's `sklearn.datasets.load_digits`, from the UCI set "Optical recognition of handwritten digits".
"""

from __future__ import annotations

import functools
import importlib.util
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.registry import STRICT, Registered
from cotoolkit.data.image_set import ImageSet
from cotoolkit.data.sources.base import DATASETS, DIGIT_NAMES
from cotoolkit.data.subsets import remaining, stratified

ROWS, PIXELS = 1797, 64


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
        return whole.pick(remaining(len(whole), test)), whole.pick(test)


def read_digits() -> tuple[Tensor, Tensor]:
    """Pixel levels (1797, 8, 8) uint8, 0 to 16, and labels (1797,) int64, 0 to 9, in scikit-learn's order.

    Raises:
        DataError: scikit-learn is not installed, or its file is missing or damaged.
    """
    path = _file()
    try:
        found = path.stat()
        table = _table(path, (found.st_mtime_ns, found.st_size))
    except FileNotFoundError:
        raise DataError(f"digits: {path} is missing; install scikit-learn again") from None
    except (OSError, EOFError, zlib.error, ValueError, UserWarning) as failure:
        raise DataError(f"digits: {path} is damaged ({failure}); install scikit-learn again") from failure
    if table.shape != (ROWS, PIXELS + 1):
        raise DataError(f"digits: {path} is damaged: its table is {table.shape}; install scikit-learn again")
    whole = torch.tensor(table)
    return whole[:, :PIXELS].reshape(-1, 8, 8), whole[:, PIXELS].to(torch.int64)


@functools.lru_cache(maxsize=1)
def _table(path: Path, stamp: tuple[int, int]) -> np.ndarray:
    """What the file holds; read once for all runs of a process, and again if its stamp has changed."""
    with warnings.catch_warnings(action="error", category=UserWarning):  # all it says of an empty file
        return np.loadtxt(path, np.uint8, delimiter=",")


def _file() -> Path:
    """Where the installed scikit-learn keeps the digits, found without importing it."""
    found = importlib.util.find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise DataError("digits: scikit-learn, which holds them, is not installed; pip install scikit-learn")
    return Path(found.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
