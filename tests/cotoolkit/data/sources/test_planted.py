import numpy as np
import pytest
import torch

from cotoolkit.core.errors import DataError
from cotoolkit.data import DataConfig, load, planted_truth
from cotoolkit.data.sources.planted import CLASSES, KINDS, LEVELS, RADIUS, SIDE, Planted, clusters


@pytest.fixture(scope="module")
def sets():
    train, test = Planted().read(download=False)
    return (train, planted_truth(train.images)), (test, planted_truth(test.images))


def distances(first, second):
    """Max-norm distances in levels, (N, D) and (M, D) -> (N, M)."""
    return torch.cdist(first.float().flatten(1), second.float().flatten(1), p=torch.inf)


def test_sizes_weights_and_determinism(sets):
    (train, known), (test, seen) = sets
    assert (len(train), len(test), train.classes) == (2000, 2000, CLASSES)
    for truth in (known, seen):
        assert np.mean(truth.of_kind("common")) == pytest.approx(0.9)
    assert torch.bincount(train.labels).tolist() == [200] * 10
    assert train.images.shape == test.images.shape == (2000, 1, SIDE, SIDE)
    assert f"(N, 1, {SIDE}, {SIDE}) uint8" in planted_truth.__doc__
    assert set(known.cluster) == set(seen.cluster)  # rare sub-clusters occur in the test set too
    sizes = np.bincount(known.cluster)
    rare = clusters().truth.kind > 0
    assert set(sizes[rare]) == {1, 2, 3}
    again = Planted().read(download=False)[0]
    assert torch.equal(again.images, train.images)


def test_benign_images_are_farther_than_three_radii_from_every_other_class(sets):
    (train, known), (test, seen) = sets
    images, labels = torch.cat([train.images, test.images]), torch.cat([train.labels, test.labels])
    benign = torch.from_numpy(np.concatenate([known.of_kind("benign"), seen.of_kind("benign")]))
    apart = distances(images[benign], images)
    apart[labels[benign][:, None] == labels[None]] = torch.inf
    assert apart.min() > 3 * LEVELS


def test_harmful_images_lie_between_one_and_two_radii_from_what_they_threaten(sets):
    (train, known), (test, seen) = sets
    for images, labels, truth in ((train.images, train.labels, known), (test.images, test.labels, seen)):
        harmful = torch.from_numpy(truth.of_kind("harmful"))
        threatened = torch.from_numpy(truth.threatens)[harmful]
        assert (threatened != labels[harmful]).all()
        common = torch.from_numpy(known.of_kind("common"))
        apart = distances(images[harmful], train.images[common])
        apart[threatened[:, None] != train.labels[common][None]] = torch.inf
        nearest = torch.from_numpy(known.cluster)[common][apart.argmin(1)]
        for row, cluster in zip(apart, nearest, strict=True):
            whole = row[torch.from_numpy(known.cluster)[common] == cluster]
            assert whole.min() > LEVELS
            assert whole.max() < 2 * LEVELS


def test_each_class_is_threatened_by_five_others_at_its_first_sub_cluster(sets):
    patterns, labels, truth = clusters()
    common = torch.from_numpy(truth.of_kind("common"))
    harmful = torch.from_numpy(truth.of_kind("harmful"))
    nearest = distances(patterns[harmful], patterns[common]).argmin(1)
    assert torch.bincount(nearest, minlength=50).tolist() == [5, 0, 0, 0, 0] * 10
    assert labels[common][nearest].tolist() == truth.threatens[truth.of_kind("harmful")].tolist()
    assert (truth.threatens[truth.kind != KINDS.index("harmful")] == -1).all()
    threatened = truth.threatened[truth.of_kind("common")]
    assert threatened.tolist() == [True, False, False, False, False] * 10
    (train, known), _ = sets
    assert np.bincount(known.threatens[known.of_kind("harmful")]).tolist() == [10] * 10
    assert np.bincount(train.labels[torch.from_numpy(known.threatened)]).tolist() == [36] * 10


def test_truth_follows_the_images_into_any_part_of_the_set():
    part = load(DataConfig(name="planted", holdout=100, train_size=500, split=3), seed=0).train
    truth = planted_truth(part.images)
    assert (clusters().labels.numpy()[truth.cluster] == part.labels.numpy()).all()
    with pytest.raises(DataError, match="not all of these images"):
        planted_truth(torch.zeros(1, 1, 5, 5, dtype=torch.uint8))


def test_the_radius_is_in_pixel_units():
    assert pytest.approx(LEVELS) == RADIUS * 255
