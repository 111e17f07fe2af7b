import gzip
import importlib.util
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from cotoolkit.core.errors import DataError
from cotoolkit.data.sources.digits import read_digits


def test_they_are_those_of_scikit_learn():
    levels, labels = read_digits()
    original = load_digits()
    assert (levels.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert np.array_equal(levels.numpy(), original.images)
    assert np.array_equal(labels.numpy(), original.target)


ROW = ",".join(["7"] * 65) + "\n"
WHOLE = gzip.compress((1797 * ROW).encode(), mtime=0)


@pytest.fixture
def digits_file(tmp_path, monkeypatch):
    """Where an installed scikit-learn of ours would keep the digits."""
    found = ModuleSpec("sklearn", None, is_package=True)
    found.submodule_search_locations.append(str(tmp_path / "sklearn"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    path = tmp_path / "sklearn" / "datasets" / "data" / "digits.csv.gz"
    path.parent.mkdir(parents=True)
    return path


def test_they_are_read_from_the_installed_package(digits_file):
    digits_file.write_bytes(WHOLE)
    levels, labels = read_digits()
    assert levels.eq(7).all()
    assert labels.eq(7).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "missing"),
        (b"", "damaged"),
        (b"plain text", "damaged"),
        (WHOLE[:-30], "damaged"),
        (WHOLE[:20] + bytes(20) + WHOLE[40:], "damaged"),
        (gzip.compress(b"1,2,x\n", mtime=0), "damaged"),
        (gzip.compress((1796 * ROW).encode(), mtime=0), r"\(1796, 65\)"),
        (gzip.compress((1797 * ROW[2:]).encode(), mtime=0), r"\(1797, 64\)"),
        (gzip.compress((1797 * ROW).replace("7", "-7").encode(), mtime=0), "damaged"),
    ],
)
def test_a_missing_or_damaged_file_is_one_clear_line(digits_file, content, said):
    if content is not None:
        digits_file.write_bytes(content)
    with pytest.raises(DataError, match=rf"digits.csv.gz.* {said}.*install scikit-learn again") as caught:
        read_digits()
    assert "\n" not in str(caught.value)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="not installed; pip install scikit-learn"):
        read_digits()
