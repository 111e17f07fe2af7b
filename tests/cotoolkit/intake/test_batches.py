from collections import UserDict, namedtuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from cotoolkit.core.errors import DataError
from cotoolkit.intake.points import points_of, states_classes

COUNT = 12
IMAGES = torch.arange(COUNT).view(COUNT, 1, 1, 1).expand(COUNT, 3, 4, 5).float() / COUNT
LABELS = torch.arange(COUNT) % 3
DATA = TensorDataset(IMAGES, LABELS)
Named = namedtuple("Named", ["image", "label"])


class Items(Dataset):
    """Items of whatever form, made of an image and a label."""

    def __init__(self, form):
        self.form = form

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return self.form(IMAGES[index], int(LABELS[index]))


class Batched(Dataset):
    """Whole batches as items."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return IMAGES[4 * index : 4 * index + 4], LABELS[4 * index : 4 * index + 4]


class Stream(IterableDataset):
    def __init__(self, count=COUNT):
        self.count = count

    def __iter__(self):
        return iter(zip(IMAGES[: self.count], LABELS[: self.count].tolist(), strict=True))


class Twice(DataLoader):
    """A loader that yields something else than its data set."""

    def __iter__(self):
        yield from [(IMAGES[:3], LABELS[:3])] * 2


class Prefetcher:
    """A loader that is none of torch's."""

    def __iter__(self):
        return iter(DataLoader(DATA, 5))


class Reversed(SequentialSampler):
    def __iter__(self):
        return iter([5, 4, 3])


def chosen(found):
    """Places of the points in the data, each with the label it must have."""
    places = found.images[:, 0, 0, 0].mul(COUNT).round().long()
    assert torch.equal(LABELS[places], found.labels)
    return sorted(places.tolist())


ALL = list(range(COUNT))
LOADERS = {
    "plain": (lambda: DataLoader(DATA, 5), ALL),
    "shuffled": (lambda: DataLoader(DATA, 5, shuffle=True), ALL),
    "workers": (lambda: DataLoader(Items(lambda *pair: pair), 5, num_workers=1, drop_last=True), ALL[:10]),
    "batch sampler": (lambda: DataLoader(DATA, batch_sampler=[[0, 1, 2], [7, 8]]), [0, 1, 2, 7, 8]),
    "batch sampler of torch": (
        lambda: DataLoader(DATA, batch_sampler=BatchSampler([3, 4, 5, 6], 2, False)),
        [3, 4, 5, 6],
    ),
    "drop last": (lambda: DataLoader(DATA, 5, drop_last=True), ALL[:10]),
    "drop nothing": (lambda: DataLoader(DATA, 4, drop_last=True), ALL),
    "no batches": (lambda: DataLoader(DATA, batch_size=None), ALL),
    "no batches, sampler": (lambda: DataLoader(DATA, batch_size=None, sampler=[0, 1, 2]), [0, 1, 2]),
    "batches as items": (lambda: DataLoader(Batched(), batch_size=None), ALL),
    "subset sampler": (lambda: DataLoader(DATA, 5, sampler=SubsetRandomSampler([1, 2, 9])), [1, 2, 9]),
    "list as sampler": (lambda: DataLoader(DATA, 5, sampler=[1, 2, 2]), [1, 2, 2]),
    "weighted sampler": (
        lambda: DataLoader(DATA, 5, sampler=WeightedRandomSampler([1.0, 1.0] + [0.0] * 10, 2, False)),
        [0, 1],
    ),
    "few at random": (lambda: DataLoader(DATA, 5, sampler=RandomSampler(DATA, num_samples=12)), ALL),
    "sampler of another length": (lambda: DataLoader(DATA, 5, sampler=SequentialSampler(range(4))), ALL[:4]),
    "sampler's subclass": (lambda: DataLoader(DATA, 5, sampler=Reversed(DATA)), [3, 4, 5]),
    "own collation": (lambda: DataLoader(DATA, 5, collate_fn=lambda items: DATA[:2]), [0, 0, 0, 1, 1, 1]),
    "collation to lists": (lambda: DataLoader(DATA, 5, collate_fn=lambda items: list(zip(*items, strict=True))), ALL),
    "collation to a dictionary": (
        lambda: DataLoader(
            DATA,
            5,
            collate_fn=lambda items: dict(
                zip(["pixel_values", "labels"], map(torch.stack, zip(*items, strict=True)), strict=True)
            ),
        ),
        ALL,
    ),
    "subclass": (lambda: Twice(DATA, 5), [0, 0, 1, 1, 2, 2]),
    "stream": (lambda: DataLoader(Stream(), 5), ALL),
    "stream, drop last": (lambda: DataLoader(Stream(), 5, drop_last=True), ALL[:10]),
    "stream without batches": (lambda: DataLoader(Stream(), batch_size=None), ALL),
    "stream without a loader": (Stream, ALL),
    "none of torch's": (Prefetcher, ALL),
    "generator": (lambda: (DATA[place : place + 4] for place in (0, 4)), ALL[:8]),
    "subset": (lambda: DataLoader(Subset(DATA, [4, 5, 6]), 2), [4, 5, 6]),
    "both": (lambda: DataLoader(ConcatDataset([Subset(DATA, [0, 1]), Subset(DATA, [5])]), 2), [0, 1, 5]),
    "dictionaries": (lambda: DataLoader(Items(lambda image, label: {"image": image, "label": label}), 5), ALL),
    "items that are dictionaries": (lambda: Items(lambda image, label: {"img": image, "Target": label, "id": 3}), ALL),
    "a list of dictionaries": (lambda: [{"X": image, "Y": label} for image, label in DATA], ALL),
    "user's dictionaries": (
        lambda: DataLoader(Items(lambda image, label: UserDict(x=image, y=label)), batch_size=None),
        ALL,
    ),
    "columns": (lambda: {"images": IMAGES, "labels": LABELS}, ALL),
    "named pairs": (lambda: DataLoader(Items(Named), 5), ALL),
    "lists as pairs": (lambda: Items(lambda image, label: [image, label]), ALL),
    "labels as tensors": (lambda: Items(lambda image, label: (image, torch.tensor(label))), ALL),
    "labels as tensors of one": (
        lambda: DataLoader(Items(lambda image, label: (image, torch.tensor([label]))), 5),
        ALL,
    ),
    "labels as floats": (lambda: DataLoader(Items(lambda image, label: (image, float(label))), 5), ALL),
    "labels of numpy": (lambda: Items(lambda image, label: (image, np.int64(label))), ALL),
    "double arrays": (lambda: Items(lambda image, label: (image.double().numpy(), label)), ALL),
    "half": (lambda: DataLoader(Items(lambda image, label: (image.half(), label)), 5), ALL),
    "bfloat16": (lambda: (IMAGES.bfloat16(), LABELS), ALL),
    "backwards": (lambda: (IMAGES.numpy()[::-1], LABELS.numpy()[::-1]), ALL),
    "another byte order": (lambda: (IMAGES.numpy().astype(">f4"), LABELS.numpy().astype(">i8")), ALL),
    "images in a list": (lambda: (list(IMAGES), LABELS.tolist()), ALL),
}


@pytest.mark.parametrize("loader", list(LOADERS))
def test_what_a_loader_yields_is_what_is_measured(loader):
    make, places = LOADERS[loader]
    assert chosen(points_of(make(), seed=3)) == places


@pytest.mark.parametrize("replacement", [True, False])
def test_a_sampler_with_replacement_is_followed(replacement):
    sampler = RandomSampler(DATA, replacement=replacement, num_samples=COUNT)
    places = chosen(points_of(DataLoader(DATA, 4, sampler=sampler)))
    assert len(places) == COUNT
    assert (len(set(places)) < COUNT) is replacement


def test_a_subset_of_what_a_loader_yields_keeps_its_classes():
    found = points_of(DataLoader(DATA, batch_sampler=[[0, 1, 3, 4, 6, 7], [9, 10]]), points=4)
    assert torch.bincount(found.labels).tolist() == [2, 2]
    assert set(chosen(found)) <= {0, 1, 3, 4, 6, 7, 9, 10}


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
    "text as images": (lambda: (np.array(["a"] * COUNT), LABELS), "images must be tensors or arrays (TypeError"),
    "transparent": (
        lambda: Items(lambda _, label: (Image.new("RGBA", (5, 4), (1, 2, 3, label)), label)),
        "has transparent pixels",
    ),
    "a failing item": (lambda: Items(lambda *_: fails(0)), "RuntimeError: the disk is full"),
    "a failing worker": (
        lambda: DataLoader(Items(lambda *_: fails(0)), 5, num_workers=1, drop_last=True),
        "RuntimeError: the disk is full",
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
