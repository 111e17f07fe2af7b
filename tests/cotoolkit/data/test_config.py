import pytest
import torch
from pydantic import ValidationError

from cotoolkit.core.errors import DataError
from cotoolkit.data import DataConfig, Subset, load
from cotoolkit.data.sources.image_folders import ImageFolders
from cotoolkit.data.sources.own_data import OwnData


def digits(**fields):
    return DataConfig(name="digits", **fields)


def bytes_of(data):
    return {image.numpy().tobytes() for image in data.images}


def test_text_stands_for_a_configuration():
    assert DataConfig.model_validate("digits") == digits()
    assert DataConfig.model_validate(digits(holdout=0.1).model_dump(mode="json")) == digits(holdout=0.1)


def test_an_alias_is_the_same_configuration():
    assert DataConfig(name="CIFAR-10") == DataConfig(name="cifar10")


def test_names_with_a_colon_are_the_users_own():
    assert isinstance(DataConfig(name="folder:/a", size=32).source(), ImageFolders)
    assert DataConfig(name="my.module:function").source() == OwnData("my.module:function")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "cifar1"}, "did you mean cifar10"),
        ({"name": "digits", "size": 16}, "digits has its own size"),
        ({"name": "digits", "holdout": 1.0}, "a share of the training set"),
        ({"name": "digits", "holdout": -1}, "a whole number of images"),
        ({"name": "digits", "train_size": 0}, "greater than 0"),
        ({"name": "digits", "augment": "cutout"}, "'none', 'flip', 'crop' or 'crop_flip'"),
        ({"name": "digits", "typo": 1}, "Extra inputs"),
    ],
)
def test_configurations_that_cannot_be(fields, message):
    with pytest.raises(ValidationError, match=message):
        DataConfig(**fields)


def test_a_tenth_is_held_out_by_default():
    assert [len(part) for part in load(digits(), seed=0)] == [1293, 144, 360]


def test_all_images_can_be_trained_on():
    train, holdout, test = load(digits(holdout=0), seed=0)
    assert (len(train), holdout, len(test)) == (1437, None, 360)


@pytest.mark.parametrize(("holdout", "count"), [(100, 100), (0.1, 144)])
def test_held_out_images_are_disjoint_and_stratified(holdout, count):
    whole = load(digits(holdout=0), seed=0).train
    train, held, _ = load(digits(holdout=holdout), seed=0)
    assert (len(held), len(train)) == (count, 1437 - count)
    assert not bytes_of(held) & bytes_of(train)
    assert bytes_of(held) | bytes_of(train) == bytes_of(whole)
    exact = torch.bincount(whole.labels) * count / 1437
    assert (torch.bincount(held.labels) - exact).abs().max() < 1


def test_the_held_out_images_do_not_depend_on_the_training_size():
    small = load(digits(holdout=100, train_size=200), seed=0)
    large = load(digits(holdout=100), seed=0)
    assert torch.equal(small.holdout.images, large.holdout.images)
    assert len(small.train) == 200
    assert bytes_of(small.train) < bytes_of(large.train)


def test_the_seed_decides_the_training_images_but_not_the_test_images():
    config = digits(holdout=100, train_size=200, test_size=50)
    first, again, other = (load(config, seed) for seed in (1, 1, 2))
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.holdout.images, again.holdout.images)
    assert not torch.equal(first.train.images, other.train.images)
    assert not torch.equal(first.holdout.images, other.holdout.images)
    assert torch.equal(first.test.images, other.test.images)
    assert torch.bincount(first.test.labels).tolist() == [5] * 10


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train_size": 1400, "holdout": 100}, "1437 training images, too few for 1400 to train on and 100 held out"),
        ({"holdout": 1437}, "too few for at least 1 to train on"),
        ({"test_size": 361}, "has 360 test images, fewer than the test_size 361"),
    ],
)
def test_more_images_than_there_are(fields, message):
    with pytest.raises(DataError, match=message):
        load(digits(**fields), seed=0)


def test_training_and_test_images_must_be_alike(monkeypatch):
    def f(train):
        return torch.zeros(4, 1, 8, 8 if train else 9), torch.tensor([0, 1, 0, 1])

    monkeypatch.setattr("cotoolkit.data.sources.own_data.import_callable", lambda *_: f)
    with pytest.raises(DataError, match=r"training images are torch.float32 \(1, 8, 8\), test images .*\(1, 8, 9\)"):
        load(DataConfig(name="mine:f"), seed=0)


def test_a_subset_cuts_the_training_images_alone():
    whole = load(DataConfig(name="digits", split=5), seed=1)
    parts = [load(DataConfig(name="digits", split=5, subset={"number": n}), seed=1 + n) for n in (0, 1)]
    assert sum(len(part.train) for part in parts) == len(whole.train)
    inside = Subset(number=0).members(len(whole.train), seed=5)
    assert torch.equal(parts[0].train.images, whole.train.images[inside])
    assert torch.equal(parts[1].train.images, whole.train.images[~inside])
    for part in parts:
        assert torch.equal(part.holdout.images, whole.holdout.images)
        assert torch.equal(part.test.images, whole.test.images)
    with pytest.raises(DataError, match=r"a share of 0\.01 of 10 training images is none"):
        load(DataConfig(name="digits", train_size=10, subset={"number": 0, "share": 0.01}), seed=0)
