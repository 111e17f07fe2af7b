"""Interventions where PyTorch expects them: around a data set, in a torchvision pipeline, inside a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset
from typing_extensions import override

from cotoolkit.core.errors import DataError
from cotoolkit.core.numbers import has_channels_last, whole_number
from cotoolkit.core.reading.items import image_tensor, read_items
from cotoolkit.core.reading.labels import class_numbers
from interventions.base import Intervention, InterventionError, parse_intervention, pixel_extremes

FAR_OUT = 0.5
"""How far images may leave [0, 1] before an intervention: those that were normalised to [-1, 1] are in other units."""


class InterventionDataset(Dataset[tuple[Tensor, int]]):
    """A map-style data set with an intervention applied to its items.

    Item i is the same whenever, in whatever order and in whichever worker it is asked for: its randomness comes from
    `seed` and i. On test data use `intervention.at_test()`, which leaves label noise out.

    Args:
        dataset: gives pairs (image, label), or dictionaries with `image` and `label` or other well-known names. Images
            are PIL images; tensors or arrays (C, H, W) or (H, W); or, as torchvision takes them, arrays (H, W, C) of 1
            or 3 channels where the shape leaves no doubt. Tensors and arrays of uint8 are divided by 255, those of
            floats are in [0, 1], which they may leave by 0.5 as images with a feature do; other whole numbers are
            refused. PIL images of any depth come to [0, 1], palettes, CMYK and YCbCr as RGB; refused are those whose
            range is not certain (32 bits, but for PNG and PPM) and transparent pixels. Labels are whole numbers of any
            type.
        intervention: applied to every item on its own; its name or a mapping with name and fields will do.
        classes: number of classes of the data set.
        seed: of the items' generators, a whole number from 0.

    Items: float32 image (C, H, W) and label.

    Raises:
        InterventionError: the intervention mixes the images of a batch, which a single item has not got; or it does not
            fit an item.
        ConfigError: there is no such intervention, or the seed is another.
        DataError: the data set has no items by number, or an item is not as above.
    """

    def __init__(
        self,
        dataset: Any,
        intervention: Intervention | str | Mapping[str, Any],
        classes: int | None = None,
        seed: int = 0,
    ) -> None:
        indexed = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        if not indexed or isinstance(dataset, IterableDataset):
            raise DataError(
                f"the {type(dataset).__name__} has no items by number; give a data set with a length, of (image, label)"
            )
        self.dataset = dataset
        self.intervention = parse_intervention(intervention)
        if self.intervention.mixes_images:
            name = self.intervention.name
            raise InterventionError(f"{name} mixes the images of a batch: apply it to batches, not items")
        self.classes = classes
        self.seed = whole_number(seed, "seed")

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        index = range(len(self))[index]  # -1 is the last item, with the last item's randomness
        where = f"item {index} of the {type(self.dataset).__name__}"
        [(image, label)] = read_items(self.dataset, [index], f"the {type(self.dataset).__name__}")
        images = _unit_image(image, where)
        one_label = class_numbers([label], 1, where).to(images.device)
        # A seed sequence keeps (0, 1) and (1, 0) apart, and the items of one data set from those of the next.
        seed = int(np.random.SeedSequence([self.seed, index]).generate_state(1, np.uint64)[0])
        generator = torch.Generator().manual_seed(seed)
        try:
            images, labels = self.intervention(images, one_label, generator, classes=self.classes)
        except InterventionError as error:
            raise InterventionError(f"{where}: {error}") from error
        return images[0], int(one_label if labels is None else labels)


def _unit_image(image: Any, where: str) -> Tensor:
    """An item's image as a batch of one, (1, C, H, W) float32, in [0, 1] or near it."""
    if (
        isinstance(image, np.ndarray)
        and image.ndim == 3
        and image.shape[2] != 4
        and has_channels_last((1, *image.shape))
    ):
        image = image.transpose(2, 0, 1)
    images = image_tensor([image], where)
    if images.dtype == torch.uint8:
        return images.float() / 255
    if not images.is_floating_point():
        kind = str(images.dtype).removeprefix("torch.")
        raise DataError(f"{where}: images are {kind}; give uint8 pixel levels, or floats in [0, 1]")
    _check_near_unit(images, where)
    return images


def _check_near_unit(images: Tensor, where: str) -> None:
    """Refuse floats of other units than [0, 1], in which the strength of an intervention is."""
    if not images.numel() or images.is_meta or not images.is_floating_point():
        return
    least, most = pixel_extremes(images)
    if not (least >= -FAR_OUT and most <= 1 + FAR_OUT):  # written so that nan fails, too
        raise DataError(
            f"{where}: pixels run from {least:.4g} to {most:.4g}; give them in [0, 1]: levels divided by 255, and "
            "before normalisation; interventions one after the other go together, by Compose"
        )


class InterventionTransform(nn.Module):
    """An intervention as a step of a `torchvision.transforms.v2` pipeline.

    Its place is after `v2.ToDtype(torch.float32, scale=True)` and before `v2.Normalize`. Takes an image (C, H, W) or a
    batch (B, C, H, W), plain or `tv_tensors.Image`, in [0, 1] or near it, alone or with its label: a whole number of
    any type for an image, (B,) for a batch; gives back the same kinds, (B,) as a tensor. As everywhere in torchvision
    the randomness comes from PyTorch's global generator, which a data loader seeds in each of its workers.

    Args:
        intervention: what to apply, itself, its name, or a mapping with name and fields; one that mixes images works
            on batches only.
        classes: number of classes of the data set.
    """

    def __init__(self, intervention: Intervention | str | Mapping[str, Any], classes: int | None = None) -> None:
        super().__init__()
        self.intervention = parse_intervention(intervention)
        self.classes = classes

    def forward(self, image: Tensor, label: Any = None) -> Any:
        """Image, or image and label if a label is given.

        Args:
            image: (C, H, W), or a batch (B, C, H, W).
            label: of it, or labels of the batch; None for none.

        Returns:
            The image, or the pair of image and label if a label is given.

        Raises:
            InterventionError: no tensor, or one image and an intervention that mixes a batch.
            DataError: pixels far outside [0, 1], or labels that are no whole numbers.
        """
        from torchvision import tv_tensors  # a second to import

        if not isinstance(image, Tensor):
            kind = type(image).__name__
            raise InterventionError(f"an image as a tensor is needed, not a {kind}: put v2.ToImage() before this step")
        single = image.ndim == 3
        if single and self.intervention.mixes_images:
            raise InterventionError(f"{self.intervention.name} mixes the images of a batch: give it (B, C, H, W)")
        images = image.as_subclass(Tensor)
        images = images[None] if single else images
        _check_near_unit(images, "the image" if single else "the images")
        labels = None
        if label is not None:
            what = "the label" if single else "the labels"
            labels = class_numbers([label] if single else label, len(images), what).to(image.device)
        generator = None
        if self.intervention.random:
            generator = torch.Generator().manual_seed(int(torch.randint(2**63 - 1, (), device="cpu")))
        images, labels = self.intervention(images, labels, generator, classes=self.classes)
        if single:
            images, labels = images[0], None if labels is None else labels[0]
        if isinstance(image, tv_tensors.TVTensor):
            images = tv_tensors.wrap(images, like=image)
        if labels is None:
            return images
        if isinstance(label, Tensor):
            return images, labels if label.dtype == torch.bool else labels.to(label.dtype)
        return images, int(labels) if single else labels

    @override
    def extra_repr(self) -> str:
        return f"{self.intervention}, classes={self.classes}"


class InterventionLayer(nn.Module):
    """An intervention as a layer of a model, (B, C, H, W) -> (B, C, H, W): a low-pass filter before the network, say.

    It acts on clean and adversarial inputs alike and gradients pass through it, so an attack sees it. Images may be in
    whatever units they have there, after a normalisation, say.

    Args:
        intervention: one without labels and randomness, differentiable; itself, its name, or a mapping.
        classes: number of classes, for those that have a carrier.

    Raises:
        InterventionError: the intervention needs labels, is random, mixes images, or stops gradients.
    """

    def __init__(self, intervention: Intervention | str | Mapping[str, Any], classes: int | None = None) -> None:
        super().__init__()
        intervention = parse_intervention(intervention)
        for flag, reason in (
            (intervention.needs_labels, "needs labels"),
            (intervention.random, "is random"),
            (intervention.mixes_images, "mixes images"),
            (not intervention.differentiable, "is not differentiable"),
        ):
            if flag:
                raise InterventionError(f"{intervention.name} {reason}, so it cannot be a layer of a model")
        self.intervention = intervention
        self.classes = classes

    def forward(self, images: Tensor) -> Tensor:
        """The images after the intervention."""
        return self.intervention.inside_a_model(images, self.classes)

    @override
    def extra_repr(self) -> str:
        return f"{self.intervention}, classes={self.classes}"
