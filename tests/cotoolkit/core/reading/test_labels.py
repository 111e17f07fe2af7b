from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from cotoolkit.core.errors import DataError
from cotoolkit.core.reading.labels import class_numbers, whole_numbers

NUMBERS = [0, 2, 1, 1, 0]
HELD = torch.tensor(NUMBERS)
ONE_HOT = torch.eye(3)[HELD]

INTEGERS = ["int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64"]
TENSORS = [*INTEGERS, "float64", "float32", "float16", "bfloat16"]
ARRAYS = [*INTEGERS, ">i4", "float64", "float32", "float16", ">f4", "longdouble", "object"]

KINDS = {
    **{f"tensor {kind}": HELD.to(getattr(torch, kind)) for kind in TENSORS},
    **{f"array {kind}": np.array(NUMBERS, kind) for kind in ARRAYS},
    "list": NUMBERS,
    "tuple": tuple(NUMBERS),
    "list of floats": [float(one) for one in NUMBERS],
    "numpy scalars": [np.int64(one) for one in NUMBERS],
    "mixed": [0, np.uint8(2), 1.0, np.float32(1), False],
    "scalar tensors": list(HELD),
    "tensors of one": [one.view(1) for one in HELD],
    "lists of one": [[one] for one in NUMBERS],
    "column": HELD[:, None],
    "row": HELD[None],
    "float column": HELD[:, None].double(),
    "series": pd.Series(NUMBERS, index=[7, 8, 9, 3, 1]),
    "nullable series": pd.Series(NUMBERS, dtype="Int64"),
    "float series": pd.Series(NUMBERS, dtype="float32"),
    "series of objects": pd.Series(NUMBERS, dtype="object"),
    "categories": pd.Series(NUMBERS, dtype="category"),
    "table of one column": pd.DataFrame({"label": NUMBERS}),
    "backwards": np.array(NUMBERS[::-1])[::-1],
    "every other": torch.tensor(NUMBERS).repeat_interleave(2)[::2],
    "needs gradients": HELD.double().requires_grad_(),
    "sparse": HELD.to_sparse(),
    "parameter": torch.nn.Parameter(HELD.float()),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_labels_of_every_kind_are_the_same_class_numbers(kind):
    found = class_numbers(KINDS[kind], 5, "here", 3)
    assert found.tolist() == NUMBERS
    assert found.dtype == torch.int64
    assert not found.requires_grad


@pytest.mark.parametrize("labels", [1, 1.0, np.int32(1), torch.tensor(1), [1], [[1]], True], ids=str)
def test_one_image_has_one_number(labels):
    assert class_numbers(labels, 1, "here").tolist() == [1]


def test_bools_are_two_classes():
    for labels in ([True, False], np.array([True, False]), torch.tensor([True, False])):
        assert class_numbers(labels, 2, "here").tolist() == [1, 0]


def test_the_labels_given_are_never_changed_nor_shared():
    array = np.array(NUMBERS)
    array.flags.writeable = False
    class_numbers(array, 5, "here")[0] = 2
    assert array.tolist() == NUMBERS


def test_no_labels_for_no_images():
    assert class_numbers([], 0, "here").shape == (0,)


REFUSED = {
    "one-hot": (ONE_HOT, "labels are one-hot, (5, 3); give class numbers: labels.argmax(1)"),
    "one-hot integers": (ONE_HOT.long().tolist(), "labels are one-hot, (5, 3); give class numbers: labels.argmax(1)"),
    "one-hot bools": (ONE_HOT.bool().numpy(), "labels are one-hot, (5, 3); give class numbers: labels.argmax(1)"),
    "one-hot of as many classes": (torch.eye(5), "labels are one-hot, (5, 5); give class numbers: labels.argmax(1)"),
    "soft": (ONE_HOT * 0.9 + 0.1 / 3, "labels are soft, (5, 3); give class numbers: labels.argmax(1)"),
    "soft halves": ((ONE_HOT * 0.9 + 0.1 / 3).half(), "labels are soft, (5, 3)"),
    "several each": (torch.arange(10).view(5, 2), "labels have shape (5, 2) for 5 images; give one class number per"),
    "segmentation": (torch.zeros(5, 4, 4).long(), "labels have shape (5, 4, 4) for 5 images"),
    "one for many": (3, "one label for 5 images; give one class number per image, (N,)"),
    "one in a list": ([3], "one label for 5 images; give one class number per image, (N,)"),
    "too few": ([0, 1, 2], "3 labels for 5 images; give one class number per image, (N,)"),
    "none": (None, "labels must be whole numbers, one per image; they are NoneType"),
    "empty": ([], "0 labels for 5 images"),
    "fractions": ([0, 1, 0.5, 1, 1], "labels must be whole numbers, and one is 0.5"),
    "nan": ([0, 1, float("nan"), 1, 1], "some labels are missing, nan or infinite"),
    "infinite": (torch.tensor([0, 1, torch.inf, 1, 1]), "some labels are missing, nan or infinite"),
    "strings": (["cat", "dog", "dog", "cat", "cat"], "one per image; they are 'cat'; number the classes"),
    "digits in strings": (list("01210"), "one per image; they are '0'; number the classes"),
    "series of strings": (pd.Series(["cat", "dog", "dog", "cat", "cat"]), "they are 'cat'; number the classes"),
    "bytes": (np.array([b"a"] * 5), "they are bytes"),
    "a missing one": ([0, 1, None, 1, 1], "they are NoneType"),
    "missing in a table": (pd.Series([0, 1, None, 1, 1], dtype="Int64"), "some labels are missing, nan"),
    "masked": (np.ma.masked_equal(NUMBERS, 2), "some labels are masked; leave those images out"),
    "fraction objects": ([Fraction(1, 2)] * 5, "they are Fraction"),
    "ragged": ([[0, 1], [1], [0], [1], [0]], "labels must be one whole number per image (ValueError"),
    "a dictionary": ({"label": 1}, "they are dict"),
    "text": ("01210", "they are str"),
    "complex": (torch.zeros(5, dtype=torch.complex64), "complex"),
    "complex array": (np.zeros(5, complex), "they are complex"),
    "negative": ([0, -7, 1, 1, 1], "labels go down to -7; number the classes from 0"),
    "ignored": ([0, -1, 1, 1, 1], "labels go down to -1; number the classes from 0; where -1 marks images to ignore"),
    "torch's ignored": (HELD - 100, "labels go down to -100; number the classes from 0; where -100 marks images"),
    "beyond the outputs": ([0, 3, 10, 1, 1], "labels go up to 10, and the model has 3 outputs, 0 to 2"),
    "beyond int64": ([0, 1, 2**63, 1, 1], "a label is 2**63 or more"),
    "beyond uint64": ([0, 1, 2**70, 1, 1], "they are int"),
    "floats beyond int64": ([0, 1, 1e300, 1, 1], "a label is 2**63 or more"),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_what_are_no_class_numbers_is_one_line(kind):
    labels, message = REFUSED[kind]
    with pytest.raises(DataError) as caught:
        class_numbers(labels, 5, "the validation set", 3)
    assert str(caught.value).startswith("the validation set: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_one_hot_row_is_refused():
    with pytest.raises(DataError, match=r"labels are one-hot, \(1, 3\)"):
        class_numbers(ONE_HOT[:1], 1, "here")


def test_whole_numbers_may_be_negative_and_large():
    assert whole_numbers([-5, 10**15, 0], 3, "here").tolist() == [-5, 10**15, 0]
