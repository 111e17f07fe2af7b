"""Images and labels out of what people have: items, batches, whole arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.numbers import has_channels_last
from cotoolkit.core.reading.labels import whole_numbers
from cotoolkit.core.reading.pictures import pixel_levels
from cotoolkit.core.user_code import describe

IMAGE_KEYS = ("image", "images", "img", "imgs", "pixel_values", "input", "inputs", "x")
LABEL_KEYS = ("label", "labels", "target", "targets", "y")
"""Names that images and labels have in dictionaries, in small or capital letters."""


def image_and_label(item: Any, where: str) -> tuple[Any, Any]:
    """The two parts of an item, of a batch, or of a whole data set.

    Args:
        item: a pair, or a dictionary with well-known names.
        where: it comes from, for messages.

    Returns:
        The image and the label, or the images and the labels, as they are.

    Raises:
        DataError: it has more or fewer parts, or no or several parts with such a name.
    """
    if isinstance(item, Mapping):
        return _named_part(item, IMAGE_KEYS, where), _named_part(item, LABEL_KEYS, where)
    advice = "give pairs (image, label), or dictionaries with image and label"
    if not isinstance(item, tuple | list):
        raise DataError(f"{where}: not a data set of (image, label), but of {type(item).__name__}; {advice}")
    if len(item) != 2:
        parts = "1 part" if len(item) == 1 else f"{len(item)} parts"
        raise DataError(f"{where}: not a data set of (image, label), but of {parts}; {advice}")
    return item[0], item[1]


def _named_part(item: Mapping[Any, Any], names: tuple[str, ...], where: str) -> Any:
    found = [key for key in item if str(key).lower() in names]
    if len(found) == 1:
        return item[found[0]]
    problem = f"both {found[0]!r} and {found[1]!r}" if found else f"none of {', '.join(names)}"
    keys = ", ".join(map(repr, item)) or "nothing"
    raise DataError(f"{where}: of the names {keys}, {problem} can be the {names[0]}; give image and label")


def as_columns(data: Any, where: str) -> tuple[Any, Any] | None:
    """Images and labels of a dictionary that has all of them under well-known names; None for other data.

    Args:
        data: of whatever kind.
        where: they come from, for messages.

    Returns:
        Images and labels, as they are.

    Raises:
        DataError: a dictionary with names, and no or several images or labels among them.
    """
    named = isinstance(data, Mapping) and len(data) and all(isinstance(key, str) for key in data)
    return image_and_label(data, where) if named else None


def as_tensors(images: Any, labels: Any, where: str) -> tuple[Tensor, Tensor]:
    """Stacked images and their labels as tensors.

    Args:
        images: (N, C, H, W), or (N, H, W) for one channel; a tensor, an array, or a list of images, see `stack_images`.
        labels: (N,) whole numbers of any kind, see `class_numbers`.
        where: they come from, for messages.

    Returns:
        Images (N, C, H, W) on the CPU, float32 if they are floats and else as they are, and labels (N,) int64.

    Raises:
        DataError: no tensors can be made of them, or a shape or type is another.
    """
    tensor = image_tensor(images, where).cpu()
    return tensor, whole_numbers(labels, len(tensor), where).cpu()


def image_tensor(images: Any, where: str) -> Tensor:
    """Stacked images as a tensor.

    Args:
        images: (N, C, H, W), or (N, H, W) for one channel; a tensor, an array, or a list of images, see `stack_images`.
        where: they come from, for messages.

    Returns:
        (N, C, H, W) on the device of a tensor, float32 if they are floats and else as they are.

    Raises:
        DataError: no tensor can be made of them, or they have another shape.
    """
    try:
        tensor = stack_images(images, where) if isinstance(images, list | tuple) else _tensor(images, where)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise DataError(f"{where}: images must be tensors or arrays ({describe(failure)})") from failure
    tensor = tensor.unsqueeze(1) if tensor.ndim == 3 else tensor
    shape = tuple(tensor.shape)
    if len(shape) != 4:
        raise DataError(f"{where}: images have shape {shape}; give (N, C, H, W)")
    if has_channels_last(shape):
        alpha = ", and leave out the alpha channel" if shape[3] == 4 else ""
        raise DataError(f"{where}: images have shape {shape}; give (N, C, H, W), channels first{alpha}")
    return tensor.float() if tensor.is_floating_point() else tensor


def stack_images(images: Sequence[Any], where: str) -> Tensor:
    """Images of one shape and one type as one tensor.

    Args:
        images: tensors or arrays (C, H, W) or (H, W), or PIL images, see `pixel_levels`.
        where: they come from, for messages.

    Returns:
        (N, C, H, W) or (N, H, W), of the images' type.

    Raises:
        DataError: they are none of these, or shapes or types differ.
    """
    try:
        tensors = [_tensor(image, where) for image in images]
    except (TypeError, ValueError, RuntimeError) as failure:
        raise DataError(f"{where}: images must be tensors or arrays ({describe(failure)})") from failure
    shapes = {tuple(image.shape) for image in tensors}
    if len(shapes) != 1:
        raise DataError(f"{where}: images must all have one shape; they have {_few(sorted(map(str, shapes)))}")
    kinds = {str(image.dtype).removeprefix("torch.") for image in tensors}
    if len(kinds) != 1:
        raise DataError(f"{where}: images must all have one type; they have {_few(sorted(kinds))}")
    return torch.stack(tensors)


def stack_items(data: Any, indices: Iterable[int] | None, where: str) -> tuple[Tensor, Tensor]:
    """Some items of a data set of (image, label), stacked.

    Args:
        data: what `data[index]` gives an image and a label of, see `image_and_label` and `stack_images`.
        indices: of the items, at least one; None for all.
        where: they come from, for messages.

    Returns:
        As `as_tensors`.

    Raises:
        DataError: an item is no such pair, its label no whole number, or shapes differ.
    """
    pairs = read_items(data, indices, where)
    return as_tensors([image for image, _ in pairs], [label for _, label in pairs], where)


def read_items(data: Any, indices: Iterable[int] | None, where: str) -> list[tuple[Any, Any]]:
    """The image and the label of some items of a data set, as they are.

    Args:
        data: what `data[index]` gives an image and a label of.
        indices: of the items; None for all.
        where: they come from, for messages.

    Returns:
        One pair per item.

    Raises:
        DataError: an item cannot be read, or is no such pair.
    """
    try:
        chosen = range(len(data)) if indices is None else indices
    except Exception as failure:
        raise DataError(f"{where}: not a data set of (image, label): {describe(failure)}") from failure
    return [_item(data, index, where) for index in chosen]


def _item(data: Any, index: int, where: str) -> tuple[Any, Any]:
    try:
        item = data[index]
    except DataError:  # which says where, and what to do
        raise
    except Exception as failure:
        raise DataError(
            f"{where}: item {index} cannot be read ({describe(failure)}); mend it or leave it out"
        ) from failure
    return image_and_label(item, f"{where}, item {index}")


def stated_classes(data: Any) -> tuple[str, ...] | None:
    """The class names in the attribute `classes` of a data set, or numbers if it says how many; None without it."""
    names = getattr(data, "classes", None)
    if isinstance(names, int):
        names = range(names)
    return tuple(map(str, names)) if isinstance(names, Iterable) and not isinstance(names, str) else None


def _tensor(image: Any, where: str) -> Tensor:
    """An image, or a stack of them, as a tensor; a picture with its channels first."""
    from PIL.Image import Image

    if isinstance(image, Image):
        return pixel_levels(image, where)
    if isinstance(image, Tensor):
        if image.is_meta:
            raise DataError(f"{where}: the images are on the meta device and hold no values")
        return image.detach() if image.layout == torch.strided else image.detach().to_dense()
    array = np.asarray(image)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: images must be tensors or arrays of numbers, not {_kind(image, array)}")
    # Torch takes no other byte order, no negative strides, and warns of what cannot be written to.
    array = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
    return torch.from_numpy(array)


def _kind(image: Any, array: np.ndarray[Any, Any]) -> str:
    """What is no array of numbers, in words."""
    return f"of type {array.dtype}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"


def _few(texts: Sequence[str]) -> str:
    """At most three texts in a row."""
    return (" and ".join(texts[:3]) or "none") + (f" and {len(texts) - 3} others" if len(texts) > 3 else "")
