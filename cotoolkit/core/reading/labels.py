"""Labels of whatever kind people have, as class numbers."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.user_code import describe

log = logging.getLogger(__name__)

SUM_SLACK = 1e-2
"""How far from 1 the shares of classes in a soft label may add up, as half precision rounds."""

LISTED = 12
"""So many labels are named in a message."""


def class_numbers(labels: Any, count: int, where: str, classes: int | None = None) -> Tensor:
    """One class number per image, of labels of any kind.

    Args:
        labels: whole numbers of any type, also as floats or bools: a tensor, an array, a list, a column of a table.
            (N,), (N, 1) or (1, N); a single number for a single image.
        count: images, N.
        where: the labels come from, for messages.
        classes: the model's outputs, above which no label may be; None if they are not known.

    Returns:
        (N,) int64 from 0, on the device of the labels.

    Raises:
        DataError: these are no class numbers, there are more or fewer than images, or one is negative or too large.
    """
    numbers = whole_numbers(labels, count, where)
    if len(numbers):
        low, high = (int(bound) for bound in torch.aminmax(numbers))
        if low < 0:
            hint = "" if low not in (-1, -100) else f"; where {low} marks images to ignore, leave those out"
            raise DataError(f"{where}: labels go down to {low}; number the classes from 0{hint}")
        if classes is not None and high >= classes:
            raise DataError(f"{where}: labels go up to {high}, and the model has {classes} outputs, 0 to {classes - 1}")
    return numbers


def whole_numbers(labels: Any, count: int, where: str) -> Tensor:
    """One whole number per image, as `class_numbers` but of any size and sign.

    Args:
        labels: as for `class_numbers`.
        count: images, N.
        where: the labels come from, for messages.

    Returns:
        (N,) int64 on the device of the labels.

    Raises:
        DataError: these are no whole numbers, or there are more or fewer than images.
    """
    numbers = labels.detach() if isinstance(labels, Tensor) else _from_array(labels, where)
    numbers = numbers.to_dense() if numbers.layout != torch.strided else numbers
    if numbers.is_meta:
        raise DataError(f"{where}: the labels are on the meta device and hold no values")
    if numbers.is_complex():
        raise DataError(f"{where}: labels are complex numbers; give class numbers from 0")
    _check_shape(numbers, count, where)
    if numbers.is_floating_point():
        _check_whole(numbers, where)
    whole = numbers.to(torch.int64).reshape(count)
    if numbers.dtype == torch.uint64 and bool((whole < 0).any()):
        raise DataError(f"{where}: a label is 2**63 or more; give class numbers from 0")
    return whole


def known_labels(labels: Tensor, where: str) -> Tensor:
    """The labels of a training set, each of which is a class; a map that changes them is logged.

    Args:
        labels: (N,) int64 of any size and sign.
        where: they come from, for the log.

    Returns:
        (K,) int64, ascending: class k has the label at k.

    Raises:
        DataError: there are none.
    """
    known: Tensor = labels.unique()
    if len(known) == 0:
        raise DataError(f"{where}: no images to train on")
    classes = torch.arange(len(known))
    if not torch.equal(known, classes):
        log.warning("%s: labels %s are classes %s", where, _listed(known), _listed(classes))
    return known


def renumbered(labels: Tensor, known: Tensor, where: str) -> Tensor:
    """Labels as class numbers.

    Args:
        labels: (N,) int64.
        known: (K,) int64 of `known_labels`.
        where: the labels come from, for messages.

    Returns:
        (N,) int64 in [0, K).

    Raises:
        DataError: a label is not known.
    """
    unknown = labels[~torch.isin(labels, known)]
    if len(unknown):
        raise DataError(f"{where}: label {int(unknown[0])} is none of the training set, which has {_listed(known)}")
    found: Tensor = torch.searchsorted(known, labels)
    return found


def _listed(numbers: Tensor) -> str:
    """Numbers with commas between them; of many the first and the last."""
    texts = [str(int(number)) for number in numbers]
    return ", ".join(texts if len(texts) <= LISTED else [*texts[: LISTED - 1], "...", texts[-1]])


def _from_array(labels: Any, where: str) -> Tensor:
    """What is no tensor as a tensor of numbers."""
    try:
        if isinstance(labels, list | tuple):
            labels = [label.detach().cpu() if isinstance(label, Tensor) else label for label in labels]
        array = np.asarray(labels)
        if array.dtype == object:  # as a column of a table has its numbers
            array = np.asarray(array.tolist())
    except (TypeError, ValueError, RuntimeError) as failure:
        raise DataError(f"{where}: labels must be one whole number per image ({describe(failure)})") from failure
    if array.dtype.kind not in "biuf":
        kind = type(labels).__name__ if array.ndim == 0 else _foreign(array)
        raise DataError(f"{where}: labels must be whole numbers, one per image; they are {kind}; number the classes")
    if np.ma.is_masked(labels):
        raise DataError(f"{where}: some labels are masked; leave those images out")
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    # A copy in the byte order of this machine: torch takes no other, no negative strides and warns of read-only arrays.
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))


def _foreign(array: Any) -> str:
    """The first element of an array that is no number, in words."""
    first = next((one for one in array.flat if not isinstance(one, int | float)), array.flat[0])
    return repr(str(first)) if isinstance(first, str) else type(first).__name__


def _check_shape(numbers: Tensor, count: int, where: str) -> None:
    """Refuse all but one number per image."""
    shape = tuple(numbers.shape)
    if shape in ((count,), (count, 1), (1, count)) or (count == 1 and shape == ()):
        return
    advice = "give one class number per image, (N,)"
    if len(shape) == 2 and shape[0] == count and shape[1] > 1:
        rows = numbers.cpu().double()
        if bool(((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all()):
            raise DataError(f"{where}: labels are one-hot, {shape}; give class numbers: labels.argmax(1)")
        if bool((rows >= 0).all() and torch.isclose(rows.sum(1), rows.new_ones(()), atol=SUM_SLACK).all()):
            raise DataError(f"{where}: labels are soft, {shape}; give class numbers: labels.argmax(1)")
    if len(shape) < 2:
        number = "one label" if numbers.numel() == 1 else f"{numbers.numel()} labels"
        raise DataError(f"{where}: {number} for {count} image{'s' * (count != 1)}; {advice}")
    raise DataError(f"{where}: labels have shape {shape} for {count} image{'s' * (count != 1)}; {advice}")


def _check_whole(numbers: Tensor, where: str) -> None:
    """Refuse floats that are no whole numbers of int64."""
    values = numbers.cpu().double()
    if not bool(values.isfinite().all()):
        raise DataError(f"{where}: some labels are missing, nan or infinite; leave those images out")
    broken = values[values != values.round()].flatten()
    if len(broken):
        raise DataError(f"{where}: labels must be whole numbers, and one is {float(broken[0]):g}; give class numbers")
    if bool((values.abs() >= 2.0**63).any()):
        raise DataError(f"{where}: a label is 2**63 or more; give class numbers from 0")
