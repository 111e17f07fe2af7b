"""What a loader yields is what is measured, whatever its samplers and its collation."""

from collections import UserDict, namedtuple

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from cotoolkit.intake.points import points_of
from tests._helpers.batches import COUNT, DATA, IMAGES, LABELS, Items, Stream

Named = namedtuple("Named", ["image", "label"])


class Batched(Dataset):
    """Whole batches as items."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return IMAGES[4 * index : 4 * index + 4], LABELS[4 * index : 4 * index + 4]


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
