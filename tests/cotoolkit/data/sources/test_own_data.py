import sys

import pytest
import torch

from cotoolkit.core.errors import DataError
from cotoolkit.data.sources.own_data import OwnData


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write the body of `def f(train)` into a module of the working directory and read it as data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a stale one would hide a second version

    def read(body):
        lines = ["import numpy as np, torch", "def f(train):", *(f"    {line}" for line in body.split("\n"))]
        (tmp_path / "data_of_mine.py").write_text("\n".join(lines))
        sys.modules.pop("data_of_mine", None)
        return OwnData("data_of_mine:f").read(download=False)

    yield read
    sys.modules.pop("data_of_mine", None)


def test_a_pair_of_arrays(own):
    train, test = own("n = 6 if train else 4\nreturn np.full((n, 3, 4, 4), 7, np.uint8), [0, 2, 1, 0, 1, 1][:n]")
    assert (len(train), len(test), train.classes) == (6, 4, 3)
    assert train.images.dtype == torch.uint8
    assert test.class_names == ("0", "1", "2")


def test_a_function_of_another_form_is_told_which_is_wanted(own, tmp_path):
    own("return np.zeros((2, 3, 4, 4), np.uint8), [0, 1]")
    (tmp_path / "data_of_mine.py").write_text("def f(): return [], []\ndef g(split, train): return [], []\n")
    sys.modules.pop("data_of_mine")
    for name in "fg":
        with pytest.raises(DataError, match=rf":{name} does not take `train` alone; write a function f\(train: bool\)"):
            OwnData(f"data_of_mine:{name}").read(download=False)


def test_the_training_set_says_how_many_classes_there_are(own):
    _, test = own("return torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 2 if train else 1])")
    assert test.classes == 3
    with pytest.raises(DataError, match="label 2 is none of the training set, which has 0, 1"):
        own("return torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 1 if train else 2])")


def test_grey_images_may_lack_the_channel_and_floats_may_be_double(own):
    train, _ = own("return np.full((2, 5, 5), 0.5), np.array([0, 1])")
    assert train.shape == (1, 5, 5)
    assert train.images.dtype == torch.float32


@pytest.mark.parametrize(
    "image",
    [
        "torch.full((3, 2, 2), 9, dtype=torch.uint8)",
        "np.full((3, 2, 2), 9, np.uint8)",
        "Image.new('RGB', (2, 2), (9, 9, 9))",
    ],
)
def test_a_torch_dataset(own, image):
    train, _ = own(
        "from PIL import Image\n"
        "class Set(torch.utils.data.Dataset):\n"
        "    classes = ['cat', 'dog']\n"
        "    def __len__(self): return 4\n"
        f"    def __getitem__(self, index): return {image}, index % 2\n"
        "return Set()"
    )
    assert train.class_names == ("cat", "dog")
    assert train.labels.tolist() == [0, 1, 0, 1]
    assert torch.equal(train.images, torch.full((4, 3, 2, 2), 9, dtype=torch.uint8))


def test_a_tensor_dataset_is_a_torch_dataset(own):
    train, _ = own("return torch.utils.data.TensorDataset(torch.rand(4, 1, 2, 2), torch.tensor([0, 1, 0, 1]))")
    assert train.shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError('x')", r"\(train=True\) failed: KeyError"),
        ("return None", "not a data set of"),
        ("return [(torch.zeros(1, 2, 2), 0)] * 3", "3 parts; return a torch Dataset, or the pair"),
        ("return ['a', 'b']", "must be tensors or arrays"),
        ("return torch.zeros(4, 8, 8, 3), torch.tensor([0, 1, 0, 1])", "channels first"),
        ("return torch.zeros(2, 1, 2, 2), torch.tensor([0.5, 1.0])", "labels must be whole numbers"),
        ("return torch.zeros(0, 1, 2, 2), torch.tensor([], dtype=torch.int64)", "no images to train on"),
        ("return dict()", "images must all have one shape; they have none"),
        ("return {0: (torch.zeros(1, 2, 2), 0), 1: (torch.zeros(1, 3, 3), 1)}", "one shape"),
    ],
)
def test_what_is_no_data_set_is_one_line(own, body, message):
    with pytest.raises(DataError, match=message) as caught:
        own(body)
    assert "\n" not in str(caught.value)


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ("[3, 7, 10**9]", "labels 3, 7, 1000000000 are classes 0, 1, 2"),
        ("[1, 2, 3]", "labels 1, 2, 3 are classes 0, 1, 2"),
        ("[-1, 1, 1]", "labels -1, 1 are classes 0, 1"),
        ("[0, 2, 2]", "labels 0, 2 are classes 0, 1"),
    ],
)
def test_any_whole_numbers_are_labels_and_the_map_is_shown(own, caplog, labels, shown):
    train, test = own(f"return torch.zeros(6, 1, 2, 2), {labels} + {labels}[::-1]")
    values = [int(name) for name in train.class_names]
    assert values == sorted(set(values))
    originals = eval(labels)
    for part in (train, test):
        assert [values[label] for label in part.labels] == originals + originals[::-1]
        assert part.classes == len(values)
    assert [record.getMessage() for record in caplog.records] == [f"data_of_mine:f: {shown}"]


def test_many_labels_are_shown_in_short(own, caplog):
    train, _ = own("return torch.zeros(50, 1, 2, 2), np.arange(50) * 2")
    assert train.classes == 50
    assert (
        caplog.records[0].getMessage().endswith("18, 20, ..., 98 are classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ..., 49")
    )


def test_class_numbers_stay_without_a_word(own, caplog):
    train, _ = own("return torch.zeros(4, 1, 2, 2), [1, 0, 2, 1]")
    assert train.labels.tolist() == [1, 0, 2, 1]
    assert train.class_names == ("0", "1", "2")
    assert not caplog.records


def test_a_test_set_is_numbered_as_the_training_set(own):
    _, test = own("return torch.zeros(3, 1, 2, 2), [5, 7, 9] if train else [9, 9, 5]")
    assert test.labels.tolist() == [2, 2, 0]
    with pytest.raises(DataError, match=r"\(test\): label 6 is none of the training set, which has 5, 7, 9"):
        own("return torch.zeros(3, 1, 2, 2), [5, 7, 9] if train else [9, 6, 5]")


WITH_CLASSES = """class Set(torch.utils.data.TensorDataset):
    classes = {classes}
return Set(torch.zeros(3, 1, 2, 2), torch.tensor({labels}))"""


def test_classes_that_the_data_state_win(own, caplog):
    train, _ = own(WITH_CLASSES.format(classes=["a", "b", "c"], labels=[0, 2, 2]))
    assert train.class_names == ("a", "b", "c")
    assert train.labels.tolist() == [0, 2, 2]
    assert own(WITH_CLASSES.format(classes=3, labels=[0, 2, 2]))[0].class_names == ("0", "1", "2")
    with pytest.raises(DataError, match="labels run from 0 to 7; number the classes 0 to 1"):
        own(WITH_CLASSES.format(classes=["a", "b"], labels=[0, 7, 7]))
    assert not caplog.records


@pytest.mark.parametrize(
    "labels",
    [
        "np.array([[0], [1], [2]])",
        "[0.0, 1.0, 2.0]",
        "np.array([0, 1, 2], np.uint16)",
        "torch.tensor([0, 1, 2]).bfloat16()",
    ],
)
def test_labels_of_any_kind(own, labels):
    assert own(f"return torch.zeros(3, 1, 2, 2), {labels}")[0].labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("torch.eye(3)", "labels are one-hot, (3, 3); give class numbers: labels.argmax(1)"),
        ("torch.full((3, 2), 0.5)", "labels are soft, (3, 2)"),
        ("[0, 1]", "2 labels for 3 images"),
        ("1", "one label for 3 images"),
        ("['a', 'b', 'c']", "they are 'a'; number the classes"),
        ("[1, 1, 1]", "1 class; a classifier needs at least 2"),
    ],
)
def test_other_labels_are_one_line(own, labels, message):
    with pytest.raises(DataError) as caught:
        own(f"return torch.zeros(3, 1, 2, 2), {labels}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        "{'image': torch.zeros(4, 1, 2, 2), 'label': [0, 1, 0, 1]}",
        "{index: {'pixel_values': torch.zeros(1, 2, 2), 'labels': index % 2} for index in range(4)}",
    ],
)
def test_dictionaries_with_well_known_names(own, data):
    assert own(f"return {data}")[0].labels.tolist() == [0, 1, 0, 1]
