"""What a loader or a data set yields, and nothing can be measured on: refused in one line."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset, TensorDataset

from cotoolkit.core.errors import DataError
from cotoolkit.intake.points import points_of
from tests._helpers.batches import COUNT, DATA, IMAGES, LABELS, Items, Stream


def fails(index):
    raise RuntimeError("the disk is full")


REFUSED = {
    "empty loader": (lambda: DataLoader(Subset(DATA, []), 5), "no images; give at least one"),
    "empty batch sampler": (lambda: DataLoader(DATA, batch_sampler=[]), "the DataLoader: no images"),
    "all dropped": (lambda: DataLoader(DATA, 50, drop_last=True), "the DataLoader: no images"),
    "empty stream": (lambda: DataLoader(Stream(0), 5), "the DataLoader: no images"),
    "three parts": (
        lambda: DataLoader(Items(lambda image, label: (image, label, 7)), 5),
        "of 3 parts; give pairs (image, label)",
    ),
    "three parts in batches": (
        lambda: DataLoader(Items(lambda image, label: (image, label, 7)), 5, drop_last=True),
        "the DataLoader: not a data set of (image, label), but of 3 parts",
    ),
    "images alone": (
        lambda: DataLoader(Items(lambda image, label: image), 5, drop_last=True),
        "but of Tensor; give pairs",
    ),
    "images of two rows alone": (lambda: Items(lambda image, label: image[:2]), "but of Tensor; give pairs"),
    "unknown names": (
        lambda: DataLoader(Items(lambda image, label: {"photo": image, "kind": label}), 5),
        "of the names 'photo', 'kind', none of image, images",
    ),
    "no label among names": (
        lambda: Items(lambda image, label: {"image": image, "kind": label}),
        "none of label, labels",
    ),
    "two images among names": (
        lambda: Items(lambda image, label: {"image": image, "pixel_values": image, "label": label}),
        "both 'image' and 'pixel_values' can be the image",
    ),
    "splits": (lambda: {"train": DATA, "test": DATA}, "the dict: of the names 'train', 'test', none of image"),
    "one-hot": (
        lambda: DataLoader(TensorDataset(IMAGES, torch.eye(3)[LABELS]), 5, drop_last=True),
        "labels are one-hot, (5, 3); give class numbers",
    ),
    "one-hot items": (
        lambda: TensorDataset(IMAGES, torch.eye(3)[LABELS]),
        "labels are one-hot, (12, 3); give class numbers",
    ),
    "soft": (lambda: DataLoader(TensorDataset(IMAGES, torch.full((COUNT, 4), 0.25)), 5), "labels are soft, (12, 4)"),
    "strings": (lambda: Items(lambda image, label: (image, "cat")), "they are 'cat'; number the classes"),
    "no label": (lambda: Items(lambda image, label: (image, None)), "they are NoneType"),
    "ignored": (
        lambda: DataLoader(TensorDataset(IMAGES, LABELS - 1), 5),
        "labels go down to -1; number the classes from 0; where -1",
    ),
    "channels last": (lambda: Items(lambda image, label: (image.permute(1, 2, 0).numpy(), label)), "channels first"),
    "other sizes": (
        lambda: Items(lambda image, label: (image[:, : 2 + label], label)),
        "images must all have one shape; they have (3, 2, 5) and",
    ),
    "other types": (
        lambda: Items(lambda image, label: (image.half() if label else image, label)),
        "must all have one type; they have float16 and float32",
    ),
    "other types in batches": (
        lambda: DataLoader(
            DATA,
            6,
            collate_fn=lambda items: (IMAGES[:2].to(torch.uint8 if items[0][1] else torch.float32), LABELS[:2]),
            batch_sampler=None,
            sampler=[0, 3, 6, 0, 3, 6, 1, 2, 3, 4, 5, 6],
        ),
        "must all have one type; they have float32 and uint8",
    ),
    "whole numbers as images": (
        lambda: Items(lambda image, label: (image.mul(255).long(), label)),
        "images are int64; give uint8 pixel levels, or floats",
    ),
    "images of 16 bits": (
        lambda: (IMAGES.mul(9).numpy().astype(np.uint16), LABELS),
        "images are uint16; give uint8 pixel levels, or floats",
    ),
    "complex images": (lambda: (IMAGES.to(torch.complex64), LABELS), "images are complex64; give uint8"),
    "text as images": (
        lambda: (np.array(["a"] * COUNT), LABELS),
        "or arrays of numbers, not of type <U1",
    ),
    "transparent": (
        lambda: Items(lambda _, label: (Image.new("RGBA", (5, 4), (1, 2, 3, label)), label)),
        "has transparent pixels",
    ),
    "a failing item": (
        lambda: Items(lambda image, label: fails(0) if label == 2 else (image, label)),
        "the Items: item 2 cannot be read (RuntimeError: the disk is full); mend it",
    ),
    "an item of three parts": (
        lambda: [(image, 0, 1) if place == 3 else (image, 0) for place, image in enumerate(IMAGES)],
        "the list, item 3: not a data set of (image, label), but of 3 parts",
    ),
    "a failing batch": (
        lambda: DataLoader(Items(lambda image, label: fails(0) if label == 2 else (image, label)), 1, drop_last=True),
        "the DataLoader: batch 2 cannot be read (RuntimeError: the disk is full); mend it",
    ),
    "a failing worker": (
        lambda: DataLoader(Items(lambda *_: fails(0)), 5, num_workers=1, drop_last=True),
        "batch 0 cannot be read (RuntimeError: the disk is full)",
    ),
    "images alone, stacked": (lambda: IMAGES, "but of Tensor; give pairs"),
    "an array alone": (IMAGES.numpy, "but of ndarray; give pairs"),
    "one number": (lambda: (IMAGES, torch.tensor(3)), "one label for 12 images; give one class number per image"),
    "one number for a batch": (lambda: (IMAGES, 3), "one label for 12 images"),
    "a single image with its label": (lambda: (IMAGES[0], 3), "one label for 3 images"),
    "a set": (lambda: {1, 2}, "but of int; give pairs"),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_what_cannot_be_measured_on_is_one_line(kind):
    make, message = REFUSED[kind]
    with pytest.raises(DataError) as caught:
        points_of(make())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
