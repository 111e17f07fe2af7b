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
