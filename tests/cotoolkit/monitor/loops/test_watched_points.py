"""Held-out points of every kind: taken alike, or refused in one line."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit.core.errors import CotoolkitError, DataError
from cotoolkit.data.image_set import ImageSet
from tests._helpers.networks import conv_net
from tests._helpers.watching import monitor_of, points


def as_items(images, labels):
    return [(image, int(label)) for image, label in zip(images, labels, strict=True)]


SOURCES = {
    "dataset": TensorDataset,
    "loader": lambda images, labels: DataLoader(TensorDataset(images, labels), batch_size=7),
    "items": as_items,
    "bytes": lambda images, labels: ((images * 255).to(torch.uint8), labels),
    "arrays": lambda images, labels: (images.numpy(), labels.numpy()),
    "lists": lambda images, labels: (images, labels.tolist()),
    "column": lambda images, labels: (images, labels[:, None].to(torch.int32)),
    "float64": lambda images, labels: (images.double(), labels),
    "image-set": lambda images, labels: ImageSet("mine", images, labels, 4, tuple("abcd")),
}


@pytest.mark.parametrize("source", SOURCES)
def test_points_are_taken_as_diagnose_takes_them(source):
    images, labels = points()
    images = (images * 255).round() / 255
    expected = monitor_of(conv_net(), (images, labels)).probe()
    found = monitor_of(conv_net(), SOURCES[source](images, labels)).probe()
    assert found == expected


def test_array_statistics_are_taken():
    found = [
        monitor_of(conv_net(), mean=mean, std=std).probe()
        for mean, std in [(0.5, 0.25), (np.float32(0.5), np.float32(0.25)), (torch.tensor([0.5]), [0.25])]
    ]
    assert found[0] == found[1] == found[2]


def test_normalised_points_are_refused():
    images, labels = points()
    with pytest.raises(DataError, match="before normalisation"):
        monitor_of(conv_net(), ((images - 0.5) / 0.25, labels), mean=0.5, std=0.25)


def test_labels_beyond_the_outputs_are_refused():
    with pytest.raises(CotoolkitError, match="4 outputs, the data 10 classes"):
        monitor_of(conv_net(), (points()[0], torch.arange(30) % 10))
