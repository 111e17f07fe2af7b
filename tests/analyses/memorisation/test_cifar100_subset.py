"""The first images of each class: from the whole data set, and from files of their own."""

import numpy as np
import pytest
import torch

from analyses.memorisation.cifar100_subset import FOLDER, TEST, TRAINING, cifar100_first, first_images
from cotoolkit.core.errors import DataError
from cotoolkit.data.image_set import ImageSet


def one_by_one(own: ImageSet, other: ImageSet, count: int) -> list[int]:
    """Rows of the first images of each class that stand once, by looking at one after the other."""
    everything = [image.numpy().tobytes() for image in (*own.images, *other.images)]
    taken = dict.fromkeys(range(own.classes), 0)
    rows = []
    for row, label in enumerate(own.labels.tolist()):
        if everything.count(everything[row]) == 1 and taken[label] < count:
            taken[label] += 1
            rows.append(row)
    return rows


def test_the_first_of_each_class_without_those_that_stand_twice():
    random = torch.Generator().manual_seed(5)

    def images(count: int) -> ImageSet:
        pixels = torch.randint(256, (count, 3, 2, 2), generator=random, dtype=torch.uint8)
        return ImageSet("made up", pixels, torch.randint(2, (count,), generator=random), 2, ("cat", "dog"))

    training, test = images(3 * TRAINING), images(3 * TEST)
    training.images[4] = training.images[0]
    test.images[1] = training.images[3]
    for own, other, train, count in ((training, test, True, TRAINING), (test, training, False, TEST)):
        found, labels = first_images(training, test, train=train)
        rows = one_by_one(own, other, count)
        assert torch.equal(found, own.images[rows])
        assert torch.equal(labels, own.labels[rows])
        assert torch.bincount(labels).tolist() == [count, count]
        assert len(rows) < len(own)


def test_files_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("COTOOLKIT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="fetch it by a run with data=cifar100 and --download"):
        cifar100_first(train=True)
    images = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    (tmp_path / FOLDER).mkdir()
    np.savez(tmp_path / FOLDER / "test.npz", images=images, labels=np.array([1, 0]))
    found, labels = cifar100_first(train=False)
    assert np.array_equal(found.numpy(), images)
    assert labels.tolist() == [1, 0]
