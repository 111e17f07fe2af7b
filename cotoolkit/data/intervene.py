"""Apply an intervention to a whole set, with random draws that belong to the image and not to the epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import generator
from cotoolkit.data.augment import Augmentation
from cotoolkit.data.image_set import ImageSet, as_float
from interventions.base import Intervention, InterventionError

CHUNK = 1024
"""Images per call of the intervention. Part of the definition: another number gives other random draws."""


def apply_intervention(
    data: ImageSet, intervention: Intervention | None, seed: int, device: torch.device | str, train: bool
) -> tuple[Tensor, Tensor]:
    """The set as a model sees it: float images and the labels that go with them.

    On data to evaluate on (`train=False`) interventions, or parts of them, that are for training only are left out.

    Args:
        data: the set.
        intervention: None for none.
        seed: the run's.
        device: where the result is to be.
        train: whether the set is trained on.

    Returns:
        Images (N, C, H, W) float32, in [0, 1] or beyond where the intervention leads, and labels (N,) int64, in the
        order of the set and on `device`.

    Raises:
        ConfigError: the intervention does not fit the data.
    """
    if intervention is None:
        return as_float(data.images.to(device)), data.labels.to(device)
    if not train:
        intervention = intervention.at_test()
    return materialise(data, data.images.to(device), intervention, seed, position=0 if train else 1)


def materialise(
    data: ImageSet,
    images: Tensor,
    intervention: Intervention,
    seed: int,
    position: int = 0,
    augmentation: Augmentation | None = None,
) -> tuple[Tensor, Tensor]:
    """`intervention` on all images of a set, which are on the device already, after `augmentation`.

    The set goes through in chunks, in a random order that depends on the seed alone: interventions that exchange
    something between images would otherwise find partners of one class only in a set that is sorted by class.

    Args:
        data: the set.
        images: (N, C, H, W), those of the set, on the device.
        intervention: to be applied.
        seed: the run's.
        position: of the draws: 0 for a training set, 1 for one to evaluate on.
        augmentation: of the epoch; None for none.

    Returns:
        Images (N, C, H, W) float32 and labels (N,), on the device, in the order of the set.

    Raises:
        ConfigError: the intervention does not fit the data.
    """
    draws = generator(seed, "intervention", position)
    labels = data.labels.to(images.device)
    new_images = torch.empty(images.shape, dtype=torch.float32, device=images.device)
    new_labels = torch.empty_like(labels)
    for indices in torch.randperm(len(data), generator=draws, device=draws.device).to(images.device).split(CHUNK):
        chunk = images[indices]
        if augmentation is not None:
            chunk = augmentation(chunk, indices)
        try:
            changed, relabelled = intervention(as_float(chunk), labels[indices], draws, classes=data.classes)
        except InterventionError as error:
            raise ConfigError(f"intervention {intervention.name!r} does not fit {data.name}: {error}") from error
        new_images[indices] = changed
        new_labels[indices] = labels[indices] if relabelled is None else relabelled
    return new_images, new_labels
