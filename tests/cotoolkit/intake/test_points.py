import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.data import DataConfig, ImageSet, load
from cotoolkit.data.points import Points
from cotoolkit.intake.points import chosen_points, points_of, states_classes

LEVELS = torch.arange(12 * 3 * 4 * 5, dtype=torch.int64).mul(7).remainder(256).to(torch.uint8).view(12, 3, 4, 5)
UNIT = LEVELS.float() / 255
LABELS = torch.arange(12) % 3


class Items(Dataset):
    """As PIL images, which counts what is read."""

    def __init__(self, targets=True):
        self.read = 0
        if targets:
            self.targets = LABELS.tolist()
            self.classes = ["a", "b", "c", "d"]

    def __len__(self):
        return 12

    def __getitem__(self, index):
        self.read += 1
        return Image.fromarray(LEVELS[index].permute(1, 2, 0).numpy()), int(LABELS[index])


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(UNIT, LABELS.tolist(), strict=True))


def image_set(images=UNIT):
    return ImageSet("twelve", images, LABELS, 5, tuple("abcde"))


FORMS = {
    "tensors": lambda: (UNIT, LABELS),
    "uint8": lambda: (LEVELS, LABELS),
    "arrays": lambda: [UNIT.double().numpy(), LABELS.numpy().astype(np.uint8)],
    "half": lambda: (LEVELS.double().div(255), LABELS.int()),
    "needs gradients": lambda: (UNIT.clone().requires_grad_(), LABELS),
    "tensor data set": lambda: TensorDataset(UNIT, LABELS),
    "PIL data set": Items,
    "without targets": lambda: Items(targets=False),
    "list of pairs": lambda: list(zip(UNIT, LABELS.tolist(), strict=True)),
    "two pairs": lambda: [*zip(UNIT, LABELS.tolist(), strict=True)],
    "subset": lambda: Subset(Items(), range(12)),
    "loader": lambda: DataLoader(TensorDataset(UNIT, LABELS), batch_size=5),
    "shuffling loader": lambda: DataLoader(TensorDataset(UNIT, LABELS), batch_size=5, shuffle=True),
    "own collation": lambda: DataLoader(Items(), 5, collate_fn=lambda items: TensorDataset(UNIT, LABELS)[:5]),
    "loader of a stream": lambda: DataLoader(Stream(), batch_size=5),
    "image set": image_set,
    "image set of levels": lambda: image_set(LEVELS),
    "points": lambda: Points(UNIT, LABELS, 3),
}


def as_set(points):
    """Images and labels without their order."""
    return sorted(
        (image.mul(255).round().int().flatten().tolist(), label) for image, label in zip(*points[:2], strict=True)
    )


@pytest.mark.parametrize("form", [name for name in FORMS if name != "own collation"])
def test_every_form_gives_the_same_points(form):
    before = torch.get_rng_state()
    found = points_of(FORMS[form](), seed=1)
    assert found.images.dtype == torch.float32
    assert found.labels.dtype == torch.int64
    assert not found.images.requires_grad
    assert as_set(found) == as_set((UNIT, LABELS))
    assert torch.equal(before, torch.get_rng_state())
    again = points_of(FORMS[form](), seed=1)
    assert torch.equal(found.images, again.images)


def test_a_loader_with_its_own_collation_is_read_batch_by_batch():
    found = points_of(FORMS["own collation"]())
    assert as_set(found) == sorted(3 * as_set((UNIT[:5], LABELS[:5])))


def test_grey_images_without_a_channel_get_one():
    assert points_of((UNIT[:, 0], LABELS)).images.shape == (12, 1, 4, 5)
    assert points_of(TensorDataset(UNIT[:, 0], LABELS)).images.shape == (12, 1, 4, 5)


def test_the_order_is_random_so_that_the_first_are_a_sample():
    labels = torch.arange(10).repeat_interleave(100)
    found = points_of((torch.rand(1000, 1, 2, 2), labels), seed=3)
    assert len(found.first(100).labels.unique()) >= 9
    assert not torch.equal(found.labels, points_of((torch.rand(1000, 1, 2, 2), labels), seed=4).labels)


@given(size=st.integers(2, 60), seed=st.integers(0, 100))
def test_a_subset_keeps_the_class_shares_and_the_pairs(size, seed):
    labels = torch.arange(60) % 4
    images = torch.arange(60.0).view(60, 1, 1, 1) / 59
    found = points_of((images, labels), points=size, seed=seed)
    assert len(found.labels) == size
    counts = torch.bincount(found.labels, minlength=4)
    assert counts.max() - counts.min() <= 1
    places = found.images.flatten().mul(59).round().long()
    assert len(places.unique()) == size
    assert torch.equal(labels[places], found.labels)
    assert torch.equal(chosen_points((images, labels), points=size, seed=seed).places, places)


def test_a_data_set_with_targets_reads_only_the_items_chosen():
    data = Items()
    found = points_of(data, points=6)
    assert data.read == 6
    assert torch.bincount(found.labels).tolist() == [2, 2, 2]
    assert found.classes == 4
    data = Items(targets=False)
    assert len(points_of(DataLoader(data), points=6).labels) == 6
    assert data.read == 12 + 6


CLASSES = [
    ("tensors", 3, False),
    ("PIL data set", 4, True),
    ("tensor data set", 3, False),
    ("loader", 3, False),
    ("image set", 5, True),
    ("points", 3, True),
]


@pytest.mark.parametrize(("form", "classes", "stated"), CLASSES)
def test_classes(form, classes, stated):
    assert points_of(FORMS[form]()).classes == classes
    assert states_classes(FORMS[form]()) is stated


def test_a_name_means_the_test_split():
    found = points_of("digits")
    whole = load(DataConfig(name="digits"), 0).test
    assert as_set(found) == as_set((whole.images.float() / 255, whole.labels))
    assert found.classes == 10
    assert len(points_of(DataConfig(name="digits", test_size=50)).labels) == 50


OWN = """
import torch
images, labels = torch.arange(80.0).view(20, 1, 2, 2) / {scale}, torch.arange(20) % 4
def data(train):
    return (images, labels) if train else (images[:6], labels[:6] % 3)
def fails(train):
    raise RuntimeError("no disk")
"""


@pytest.mark.parametrize(("scale", "bounds"), [(80.0, (0.0, 1.0)), (0.4, (0.0, 255.0))])
def test_own_code_gives_its_test_split_in_the_bounds(tmp_path, monkeypatch, scale, bounds):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"own_{int(bounds[1])}"
    (tmp_path / f"{name}.py").write_text(OWN.format(scale=scale))
    found = points_of(f"{name}:data", bounds=bounds)
    assert len(found.labels) == 6
    assert found.classes == 4, "the training set has the class that the test set lacks"
    assert found.images.max().item() == pytest.approx(23 / scale / bounds[1])
    with pytest.raises(DataError, match=r"fails\(train=False\) failed: RuntimeError: no disk"):
        points_of(f"{name}:fails")


@given(low=st.floats(-300, 200), width=st.floats(0.1, 500))
def test_bounds_map_to_the_unit_interval(low, width):
    bounds = (low, low + width)
    found = points_of((low + width * UNIT.double(), LABELS), bounds=bounds, seed=2)
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    assert torch.allclose(found.images, points_of((UNIT, LABELS), seed=2).images, atol=1e-3)


def test_levels_and_image_sets_do_not_depend_on_the_bounds():
    for data in ((LEVELS, LABELS), image_set(), image_set(LEVELS), Points(UNIT, LABELS, 3)):
        assert as_set(points_of(data, bounds=(-1.0, 1.0))) == as_set((UNIT, LABELS))


def broken(value):
    images = UNIT.clone()
    images[3, 0, 1, 1] = value
    return images


REFUSED = [
    ("empty pair", lambda: ([], []), "no images; give at least one of each of two classes"),
    ("empty tensors", lambda: (UNIT[:0], LABELS[:0]), "no images; give"),
    ("empty data set", lambda: TensorDataset(UNIT[:0], LABELS[:0]), "no images; give"),
    ("empty list", lambda: [], "the data have 0 parts"),
    ("empty loader", lambda: DataLoader(Subset(Stream(), [])), "no images; give"),
    ("three parts", lambda: (UNIT, LABELS, 3), "the data have 3 parts; give a Dataset"),
    ("other lengths", lambda: (UNIT, LABELS[:5]), "5 labels for 12 images; give one class number per image"),
    ("one-hot", lambda: (UNIT, torch.eye(12)[LABELS].long()), "labels are one-hot, (12, 12); give class numbers:"),
    ("flat", lambda: (UNIT.flatten(1), LABELS), "images have shape (12, 60); give (N, C, H, W)"),
    ("channels last", lambda: (UNIT.permute(0, 2, 3, 1), LABELS), "channels first"),
    ("float labels", lambda: (UNIT, LABELS + 0.5), "labels must be whole numbers, and one is 0.5"),
    ("float label", lambda: [(UNIT[0], 0.5), (UNIT[1], 1.0)], "labels must be whole numbers, and one is 0.5"),
    ("negative labels", lambda: (UNIT, LABELS - 1), "labels go down to -1; number the classes from 0"),
    ("one class", lambda: (UNIT, LABELS * 0 + 2), "every label is 2; give points of at least two classes"),
    ("too many classes", lambda: Points(UNIT, LABELS, 2), "labels go up to 2, and there are 2 classes"),
    ("levels as floats", lambda: (UNIT * 255, LABELS), "from 0 to 255, outside the bounds 0 to 1; state 0,255"),
    ("normalised", lambda: ((UNIT - 0.5) / 0.25, LABELS), "-2 to 2, outside the bounds 0 to 1; give images before"),
    ("nan", lambda: (broken(float("nan")), LABELS), "1 of 12 images have pixels that are nan or infinite"),
    ("infinite", lambda: (broken(float("inf")), LABELS), "1 of 12 images have pixels that are nan or infinite"),
    ("integers", lambda: (LEVELS.long(), LABELS), "images are int64; give uint8 pixel levels, or floats"),
    ("not data", lambda: 3, "the int is no data: give a name, a pair (images, labels), a Dataset"),
    ("no pairs", lambda: TensorDataset(UNIT), "not a data set of (image, label)"),
    ("dictionaries", lambda: DataLoader([{"photo": UNIT[0], "label": 1}] * 3), "of the names 'photo', 'label', none"),
    ("other shapes", lambda: [(UNIT[0], 0), (UNIT[1, :, 1:], 1)], "images must all have one shape"),
    ("no such name", lambda: "digts", "did you mean digits"),
    ("no such code", lambda: "nowhere:data", "no module 'nowhere'"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_bad_data_is_one_line(make, message):
    with pytest.raises((DataError, ConfigError)) as caught:
        points_of(make())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bounds", [(0.0, 255.0), (-1.0, 1.0)])
def test_floats_that_look_like_the_unit_interval_are_not_taken_for_others(bounds):
    with pytest.raises(DataError, match=r"as in \[0, 1\] and not as in the bounds"):
        points_of((UNIT, LABELS), bounds=bounds)


def test_rounding_beyond_the_bounds_is_brought_back():
    found = points_of((UNIT * (1 + 1e-6), LABELS))
    assert found.images.max() == 1


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (0.0, 0.0), (0.0, float("inf"))])
def test_bounds_must_ascend(bounds):
    with pytest.raises(ConfigError, match="give the least and the greatest value of a pixel"):
        points_of((UNIT, LABELS), bounds=bounds)


def test_the_number_of_points_must_be_positive():
    with pytest.raises(ConfigError, match="points: give a whole number, 1 or more, not 0"):
        points_of((UNIT, LABELS), points=0)


FAR = """
import numpy as np
def data(train):
    labels = np.array([3, 7, 10**9])
    return np.zeros((30, 1, 2, 2), np.uint8), labels[np.arange(30) % 3] if train else labels[np.arange(30) % 2 + 1]
"""


@pytest.mark.parametrize("points", [None, 20])
def test_own_code_by_name_is_numbered_as_in_training(tmp_path, monkeypatch, caplog, points):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "far_labels.py").write_text(FAR)
    found = points_of("far_labels:data", points=points)
    assert torch.bincount(found.labels).tolist() == ([0, 15, 15] if points is None else [0, 10, 10])
    assert found.classes == 3
    assert "labels 3, 7, 1000000000 are classes 0, 1, 2" in caplog.text


def test_labels_of_a_pair_are_class_numbers_of_the_model():
    assert points_of((UNIT, LABELS * 3)).labels.unique().tolist() == [0, 3, 6]
