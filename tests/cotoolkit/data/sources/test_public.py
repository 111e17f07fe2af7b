import gzip
import hashlib
import pickle
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
import torch
import torchvision
from sklearn.datasets import load_digits

from cotoolkit.core.errors import DataError
from cotoolkit.data.sources import DATASETS
from cotoolkit.data.sources.fashion_mnist import FashionMNIST
from cotoolkit.data.sources.mnist_format import read_idx
from tests._helpers.mnist_files import idx_bytes, write_idx_set

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def test_digits_are_scikit_learns_with_levels_spread_to_255():
    train, test = DATASETS["digits"]().read(download=False)
    assert (len(train), len(test), train.shape) == (1437, 360, (1, 8, 8))
    assert torch.bincount(test.labels).min() >= 35

    def fingerprints(pixels, labels):
        return sorted(
            (*row, label) for row, label in zip(pixels.reshape(-1, 64).tolist(), labels.tolist(), strict=True)
        )

    original = load_digits()
    oracle = np.floor(original.data * 255 / 16 + 0.5).astype(int)
    ours = torch.cat([train.images, test.images]), torch.cat([train.labels, test.labels])
    assert fingerprints(*ours) == fingerprints(oracle, original.target)


def test_the_digits_test_set_never_moves():
    _, test = DATASETS["digits"]().read(download=False)
    digest = hashlib.sha256(test.images.numpy().tobytes() + test.labels.numpy().tobytes()).hexdigest()
    assert digest[:16] == "566f7b7e00f64529"


# --- IDX files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_reads_what_was_written(data_root, zipped):
    parts = write_idx_set(data_root / "MNIST" / "raw", zipped=zipped)
    for part, ours in zip(("train", "t10k"), DATASETS["mnist"]().read(download=False), strict=True):
        assert np.array_equal(ours.images[:, 0].numpy(), parts[part][0])
        assert np.array_equal(ours.labels.numpy(), parts[part][1])


def test_mnist_agrees_with_torchvision(data_root):
    write_idx_set(data_root / "MNIST" / "raw")
    train, _ = DATASETS["mnist"]().read(download=False)
    oracle = torchvision.datasets.MNIST(data_root)
    assert torch.equal(train.images[:, 0], oracle.data)
    assert torch.equal(train.labels, oracle.targets)


def test_fashion_mnist_is_found_where_the_system_keeps_it(tmp_path, monkeypatch):
    write_idx_set(tmp_path, zipped=True)
    monkeypatch.delenv("COTOOLKIT_DATA", raising=False)
    monkeypatch.setattr(FashionMNIST, "system_folders", (tmp_path,))
    train, test = DATASETS["fashion"]().read(download=False)
    assert (len(train), len(test), train.class_names[-1]) == (6, 4, "Ankle boot")


@pytest.mark.skipif(not DEBIAN.exists(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_the_debian_package_is_the_real_fashion_mnist():
    images = read_idx(DEBIAN / "t10k-images-idx3-ubyte.gz", 3)
    labels = read_idx(DEBIAN / "t10k-labels-idx1-ubyte.gz", 1)
    assert images.shape == (10000, 28, 28)
    assert torch.bincount(labels).tolist() == [1000] * 10
    assert images.float().mean().item() / 255 == pytest.approx(0.2868, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(idx_bytes(np.zeros((2, 3, 3), np.uint8)), mtime=0)[:-9], "damaged or unreadable"),
        (b"<html>not found</html>", "damaged or unreadable"),
        (
            gzip.compress(idx_bytes(np.zeros((2, 3, 3), np.uint8))[:-1], mtime=0),
            r"announces shape \(2, 3, 3\) and holds 17 bytes",
        ),
        (gzip.compress(idx_bytes(np.zeros(2, np.uint8)), mtime=0), "is not an IDX file of bytes with 3 dimensions"),
        (gzip.compress(struct.pack(">I", 0x0803), mtime=0), "is not an IDX file"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, content, message):
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(file, 3)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


# --- what torchvision reads -------------------------------------------------------------------------------------------


def write_cifar(root, monkeypatch, class_name, label_key):
    """Two small batch files in the layout of CIFAR, whose checksums torchvision is told to expect."""
    cls = getattr(torchvision.datasets, class_name)
    folder = root / cls.base_folder
    folder.mkdir()
    numbers = np.random.default_rng(0)

    def write(file, content):
        (folder / file).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / file).read_bytes(), usedforsecurity=False).hexdigest()

    content = {}
    for part, count in (("train", 7), ("test", 5)):
        pixels = numbers.integers(0, 256, (count, 3072), dtype=np.uint8)
        content[part] = {"data": pixels, label_key: numbers.integers(0, 3, count).tolist()}
        monkeypatch.setattr(cls, f"{part}_list", [[part, write(part, content[part])]])
    checksum = write("meta", {"names": ["cat", "dog", "cow"]})
    monkeypatch.setattr(cls, "meta", {"filename": "meta", "key": "names", "md5": checksum})
    return folder, content


@pytest.mark.parametrize(
    ("name", "class_name", "key"), [("cifar10", "CIFAR10", "labels"), ("cifar100", "CIFAR100", "fine_labels")]
)
def test_cifar_is_read_channels_first(data_root, monkeypatch, name, class_name, key):
    _, content = write_cifar(data_root, monkeypatch, class_name, key)
    for part, ours in zip(("train", "test"), DATASETS[name]().read(download=False), strict=True):
        assert np.array_equal(ours.images.numpy(), content[part]["data"].reshape(-1, 3, 32, 32))
        assert ours.labels.tolist() == content[part][key]
        assert ours.class_names == ("cat", "dog", "cow")


def test_a_damaged_cifar_file_is_one_line(data_root, monkeypatch):
    folder, _ = write_cifar(data_root, monkeypatch, "CIFAR10", "labels")
    (folder / "train").write_bytes(b"half a file")
    with pytest.raises(DataError, match=f"cifar10: its files in {data_root} are missing or damaged"):
        DATASETS["cifar10"]().read(download=False)


def test_svhn_calls_the_digit_zero_0_not_10(data_root, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    parts = {}
    for part in ("train", "test"):
        file = data_root / f"{part}.mat"
        scipy.io.savemat(file, {"X": pixels, "y": np.array([[10], [1], [9], [10]], np.uint8)})
        parts[part] = ["", file.name, hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", parts)
    train, test = DATASETS["svhn"]().read(download=False)
    assert train.labels.tolist() == test.labels.tolist() == [0, 1, 9, 0]
    assert np.array_equal(train.images.numpy(), pixels.transpose(3, 2, 0, 1))


# --- missing data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100", "svhn"])
@pytest.mark.parametrize("setting", ["", "/no/such/folder", "empty"])
def test_missing_data_is_one_line_that_says_how_to_get_it(name, setting, tmp_path, monkeypatch):
    monkeypatch.setenv("COTOOLKIT_DATA", str(tmp_path) if setting == "empty" else setting)
    monkeypatch.setattr(FashionMNIST, "system_folders", ())
    with pytest.raises(DataError) as caught:
        DATASETS[name]().read(download=False)
    message = str(caught.value)
    assert message.startswith(name)
    assert "\n" not in message
    assert "--download" in message
    assert setting == "empty" or "COTOOLKIT_DATA" in message
    assert ("dataset-fashion-mnist" in message) == (name == "fashion_mnist")


def test_download_asks_torchvision_for_it(tmp_path, monkeypatch):
    root = tmp_path / "new" / "folder"
    monkeypatch.setenv("COTOOLKIT_DATA", str(root))
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", lambda self: write_idx_set(Path(self.raw_folder)))
    train, _ = DATASETS["mnist"]().read(download=True)
    assert len(train) == 6


@pytest.mark.parametrize("name", ["mnist", "cifar10", "svhn"])
def test_a_failed_download_is_one_line(data_root, monkeypatch, name):
    def fail(_):
        raise URLError("no network\nat all")

    monkeypatch.setattr(getattr(torchvision.datasets, name.upper()), "download", fail)
    with pytest.raises(DataError, match=f"{name}: download into {data_root} failed .*no network") as caught:
        DATASETS[name]().read(download=True)
    assert "\n" not in str(caught.value)
