"""Items of every kind: pictures keep their meaning, and labels are those of the items, whatever a data set claims."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from cotoolkit.intake.points import points_of, states_classes
from tests._helpers.batches import COUNT, IMAGES, LABELS, Items


def levels(mode):
    return lambda image, label: (Image.fromarray(np.full((4, 5), 40 * label, np.uint8)).convert(mode), label)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("P", 3), ("RGBA", 3), ("LA", 1), ("CMYK", 3)])
def test_pictures_as_items_keep_their_meaning(mode, channels):
    found = points_of(Items(levels(mode)))
    assert found.images.shape == (COUNT, channels, 4, 5)
    assert torch.equal(found.images, (40 * found.labels / 255).view(-1, 1, 1, 1).expand_as(found.images))


def test_pictures_of_16_bits_as_items_keep_their_meaning():
    found = points_of(Items(lambda _, label: (Image.fromarray(np.full((4, 5), 10_280 * label, np.uint16)), label)))
    assert torch.equal(found.images[:, 0, 0, 0], 40 * found.labels / 255)


class Claims(Dataset):
    """Targets that are not the labels of the items."""

    def __init__(self, transform=None, classes=None):
        self.targets = [0, 1, 2] * 4
        self.read = 0
        if transform:
            self.target_transform = transform
        if classes:
            self.classes = classes

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        self.read += 1
        return IMAGES[index], int(index < 8)


@pytest.mark.parametrize("transform", [None, lambda target: target], ids=["silent", "target_transform"])
def test_targets_that_are_not_the_labels_are_not_believed(transform):
    found = points_of(Claims(transform), points=6)
    assert torch.bincount(found.labels).tolist() == [2, 4]
    assert found.classes == 2


def test_class_names_do_not_survive_a_target_transform():
    names = ["a", "b", "c"]
    assert points_of(Claims(classes=names)).classes == 3
    assert states_classes(Claims(classes=names))
    assert states_classes(DataLoader(Claims(classes=names), batch_sampler=[[0, 9]]))
    assert points_of(Claims(int, names)).classes == 2
    assert not states_classes(Claims(int, names))


def test_classes_may_be_their_number():
    assert points_of(Claims(classes=7)).classes == 7


@pytest.mark.parametrize("kind", ["float", "strings", "too few"])
def test_targets_of_no_use_are_not_read(kind):
    data = Claims()
    data.targets = {"float": [0.5] * COUNT, "strings": ["a"] * COUNT, "too few": [0, 1]}[kind]
    assert torch.bincount(points_of(data, points=6).labels).tolist() == [2, 4]


def test_a_label_of_10_to_the_9_costs_nothing():
    found = points_of((IMAGES, torch.where(LABELS == 1, 10**9, LABELS)), points=6)
    assert found.classes == 10**9 + 1
    assert sorted(found.labels.tolist()) == [0, 0, 2, 2, 10**9, 10**9]


def torchvision_set():
    from torchvision.datasets import FakeData
    from torchvision.transforms import v2

    return FakeData(COUNT, (3, 8, 8), 3, transform=v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]))


def test_torchvision_sets_are_read_with_their_transforms():
    found = points_of(DataLoader(torchvision_set(), 5))
    assert found.images.shape == (COUNT, 3, 8, 8)
    assert type(found.images) is torch.Tensor
    assert 0 <= found.images.min() < found.images.max() <= 1
