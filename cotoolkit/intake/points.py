"""The points a diagnosis measures on, from whatever a user has: a name, tensors, a data set, a loader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.core.numbers import whole_number
from cotoolkit.core.reading.items import as_columns, as_tensors, read_items, stack_items, stated_classes
from cotoolkit.core.reading.labels import class_numbers, known_labels, renumbered, whole_numbers
from cotoolkit.core.seeding import fork_global_rng, generator
from cotoolkit.core.validation import one_line
from cotoolkit.data import DataConfig, ImageSet, load
from cotoolkit.data.points import Points
from cotoolkit.data.sources.own_data import OwnData
from cotoolkit.data.subsets import stratified
from cotoolkit.intake.batches import items_of, read_batches
from cotoolkit.intake.normalisation import Bounds, check_bounds, in_unit


class _Source(NamedTuple):
    """Labelled images that are not all in memory yet.

    Attributes:
        where: they come from, for messages.
        size: how many there are.
        labels: gives all labels, (N,) int64: as the data claim them if they do and True is given, else by reading every
            item.
        pick: gives the images, as they are, and the labels at indices (None for all).
        classes: their number, where the data say it.
        bounds: of the pixels, where these are floats.
    """

    where: str
    size: int
    labels: Callable[[bool], Tensor]
    pick: Callable[[Tensor | None], tuple[Tensor, Tensor]]
    classes: int | None
    bounds: Bounds


class ChosenPoints(NamedTuple):
    """Points, and where they stood.

    Attributes:
        points: in an order that the seed decides.
        places: (N,) int64, of each in the data as they were given, from 0; of a loader, in what it yields.
    """

    points: Points
    places: Tensor


def points_of(
    data: Any,
    *,
    points: int | None = None,
    seed: int = 0,
    bounds: Bounds = (0.0, 1.0),
    download: bool = False,
    leave: bool = False,
) -> Points:
    """Images in [0, 1], in an order that the seed decides, and their labels.

    Where the data have more than `points` images, a random subset that keeps the class shares is taken. In the order
    returned the first n points are a random subset, whatever the order of the data.

    Args:
        data: a pair (images, labels) of tensors or arrays; a torch Dataset of (image, label); a DataLoader, of which
            what it yields is taken; an `ImageSet`; `Points`; a `DataConfig`; or its text (`cifar10`, `folder:PATH`,
            `module:function`), of which the test split is taken. A dictionary with one image and one label by a
            well-known name (`image`, `pixel_values`, `x`; `label`, `target`, `y`) is a pair, too. Labels are class
            numbers of any type; only those of `module:function` are numbered as in training. Images are uint8, which is
            divided by 255, or floats in `bounds`; those of an `ImageSet`, of `Points` and of a data set by name are in
            [0, 1] whatever the bounds, except those of own code, `module:function`.
        points: at most so many; None for all.
        seed: of the choice.
        bounds: least and greatest value of a pixel; they are mapped to 0 and 1.
        download: fetch a data set by name where it is missing.
        leave: images may leave the bounds.

    Returns:
        The points: images (N, C, H, W) float32, labels (N,), and the number of classes.

    Raises:
        DataError: no such data, none in it, or images or labels that are not as above.
        ConfigError: `points` below 1, or bounds in the wrong order.
    """
    return chosen_points(data, points=points, seed=seed, bounds=bounds, download=download, leave=leave).points


def chosen_points(
    data: Any,
    *,
    points: int | None = None,
    seed: int = 0,
    bounds: Bounds = (0.0, 1.0),
    download: bool = False,
    leave: bool = False,
) -> ChosenPoints:
    """As `points_of`, with the place of each point in the data.

    Args:
        data: see `points_of`.
        points: at most so many; None for all.
        seed: of the choice.
        bounds: least and greatest value of a pixel.
        download: fetch a data set by name where it is missing.
        leave: images may leave the bounds.

    Returns:
        The points, and their places.

    Raises:
        DataError: as `points_of`.
        ConfigError: as `points_of`.
    """
    points = None if points is None else whole_number(points, "points", 1)
    bounds = check_bounds(bounds)
    with fork_global_rng(seed, "augmentation"):  # transforms and samplers draw from the global generator
        source = _source(data, bounds, download)
        if source.size == 0:
            raise DataError(f"{source.where}: no images; give at least one of each of two classes")
        draws = generator(seed, "split", 2)
        if points is None or source.size <= points:
            images, picked = source.pick(None)
            labels, chosen = picked, torch.arange(len(picked), device="cpu")
        else:
            labels = source.labels(True)
            chosen = stratified(labels, points, draws)
            images, picked = source.pick(chosen)
            if not torch.equal(picked, labels[chosen]):  # the items say otherwise than the data claimed
                labels = source.labels(False)
                chosen = stratified(labels, points, draws)
                images, picked = source.pick(chosen)
    _check_labels(source, labels)
    unit = in_unit(images, source.where, source.bounds, leave=leave)
    order = torch.randperm(len(picked), generator=draws, device=draws.device)
    classes = source.classes if source.classes is not None else int(labels.max()) + 1
    return ChosenPoints(Points(unit[order], picked[order], classes), chosen[order])


def states_classes(data: Any) -> bool:
    """Whether data say how many classes they have; otherwise `points_of` takes the greatest label, a lower bound."""
    return isinstance(data, str | DataConfig | ImageSet | Points) or _class_count(data) is not None


def _source(data: Any, bounds: Bounds, download: bool = False) -> _Source:
    if isinstance(data, str | DataConfig):
        return _named(data, bounds, download)
    if isinstance(data, ImageSet):
        return _in_memory(data.name, data.images, data.labels, data.classes, (0.0, 1.0))
    if isinstance(data, Points):
        return _in_memory("the points", data.images.detach().cpu(), data.labels.cpu(), data.classes, (0.0, 1.0))
    return _from_user(items_of(data), bounds)


def _from_user(data: Any, bounds: Bounds) -> _Source:
    where = f"the {type(data).__name__}"
    columns = as_columns(data, where)
    if columns is not None:
        return _from_pair(columns, bounds, where)
    if isinstance(data, tuple | list) and not (len(data) and isinstance(data[0], tuple | dict)):
        return _from_pair(data, bounds)
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, IterableDataset)
    if indexed and not isinstance(data, DataLoader):
        return _from_dataset(data, where, bounds)
    if not hasattr(data, "__iter__"):
        raise DataError(
            f"{where} is no data: give a name, a pair (images, labels), a Dataset of (image, label) or a DataLoader"
        )
    batches = read_batches(data, where)
    if batches is None:
        return _from_pair(([], []), bounds, where)
    return _in_memory(where, *batches, _class_count(data), bounds)


def _named(data: str | DataConfig, bounds: Bounds, download: bool) -> _Source:
    try:
        config = DataConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(one_line(error)) from None
    own = config.source()
    if not isinstance(own, OwnData):
        return _source(load(config, seed=0, download=download).test, bounds)
    source = _source(own.part(train=False), bounds)._replace(where=f"{config.name} (test)")
    train = own.part(train=True)  # a test set may lack a class, so the training set says which there are
    names = stated_classes(train)
    if names is not None or source.size == 0:
        return source._replace(classes=len(names or ()))
    known = known_labels(_source(train, bounds).labels(True), config.name)

    def labels(claimed: bool) -> Tensor:
        return renumbered(source.labels(claimed), known, source.where)

    def pick(chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        images, picked = source.pick(chosen)
        return images, renumbered(picked, known, source.where)

    return source._replace(labels=labels, pick=pick, classes=len(known))


def _in_memory(where: str, images: Tensor, labels: Tensor, classes: int | None, bounds: Bounds) -> _Source:
    def pick(chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        return (images, labels) if chosen is None else (images[chosen], labels[chosen])

    return _Source(where, len(labels), lambda _: labels, pick, classes, bounds)


def _from_pair(data: Any, bounds: Bounds, where: str = "the pair (images, labels)") -> _Source:
    if len(data) != 2:
        raise DataError(f"the data have {len(data)} parts; give a Dataset of (image, label), or (images, labels)")
    if any(hasattr(part, "__len__") and getattr(part, "ndim", 1) and len(part) == 0 for part in data):
        return _in_memory(where, torch.empty(0), torch.empty(0, dtype=torch.int64), None, bounds)
    images, labels = as_tensors(data[0], data[1], where)
    return _in_memory(where, images, labels, None, bounds)


def _from_dataset(data: Any, where: str, bounds: Bounds) -> _Source:
    def labels(claimed: bool) -> Tensor:
        found = _claimed(data) if claimed else None
        if found is not None:
            return found
        return whole_numbers([label for _, label in read_items(data, None, where)], len(data), where)

    def pick(chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        return stack_items(data, None if chosen is None else chosen.tolist(), where)

    return _Source(where, len(data), labels, pick, _class_count(data), bounds)


def _claimed(data: Any) -> Tensor | None:
    """The attribute `targets` of a data set where it can be its labels; its items may say otherwise."""
    if getattr(data, "target_transform", None) is not None or getattr(data, "targets", None) is None:
        return None
    try:
        return whole_numbers(data.targets, len(data), "targets").cpu()
    except DataError:
        return None


def _class_count(data: Any) -> int | None:
    """The number of classes that a data set, or a loader's, states and does not change by a transform of its own."""
    data = data.dataset if isinstance(data, DataLoader) else data
    names = None if getattr(data, "target_transform", None) is not None else stated_classes(data)
    return None if names is None else len(names)


def _check_labels(source: _Source, labels: Tensor) -> None:
    low, high = (int(bound) for bound in torch.aminmax(class_numbers(labels, len(labels), source.where)))
    if low == high:
        raise DataError(f"{source.where}: every label is {low}; give points of at least two classes")
    if source.classes is not None and high >= source.classes:
        raise DataError(f"{source.where}: labels go up to {high}, and there are {source.classes} classes, from 0")
