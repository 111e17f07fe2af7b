"""Marks on the training images, one bool each, in a .npy file that is named with a stamp of its content.

They say which images a run trains on (`DataConfig.only`) and which ones a method treats apart (`BenignStyle.flags`).
"""

from __future__ import annotations

import io
from typing import Annotated

import numpy as np
import torch
from pydantic import AfterValidator
from torch import Tensor

from cotoolkit.core.digest import read_stamped, split_stamp, stamped
from cotoolkit.core.errors import ConfigError

KIND = "marks"


def _stamped(name: str) -> str:
    try:
        return stamped(name, KIND)
    except ConfigError as error:
        raise ValueError(str(error)) from None


MarksFile = Annotated[str, AfterValidator(_stamped)]
"""A file of marks inside a pydantic model; it stands there as PATH#DIGEST."""


def read_marks(name: str) -> Tensor:
    """The marks of a stamped file, (N,) bool.

    Raises:
        ConfigError: the file is missing, is not the one that was stamped, or holds anything else.
    """
    path, _ = split_stamp(name)
    content = read_stamped(name, KIND)
    try:
        marks = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError):
        raise ConfigError(f"{path} is no .npy file") from None
    if marks.dtype != bool or marks.ndim != 1:
        raise ConfigError(f"{path} holds {marks.dtype} of shape {marks.shape}; give one bool per training image")
    return torch.from_numpy(marks)


def marks_of(name: str, images: int) -> Tensor:
    """The marks of a stamped file, checked against the size of the training set.

    Args:
        name: PATH#DIGEST.
        images: training images there are.

    Returns:
        (images,) bool.

    Raises:
        ConfigError: as `read_marks`, or their number differs.
    """
    marks = read_marks(name)
    if len(marks) != images:
        path, _ = split_stamp(name)
        raise ConfigError(f"{path} has {len(marks)} marks, but there are {images} training images")
    return marks
