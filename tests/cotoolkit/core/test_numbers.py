import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import (
    NonNegative,
    Number,
    format_number,
    mark_array,
    parse_number,
    probability,
    real_array,
    share_array,
    whole_number,
)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("8/255", 8 / 255),
        (" 8 / 255 ", 8 / 255),
        ("0.5", 0.5),
        ("-1/4", -0.25),
        (3, 3),
        ("1e-3", 0.001),
        (Fraction(8, 255), 8 / 255),
        (Decimal("0.1"), 0.1),
        (np.float64(8 / 255), 8 / 255),
        (np.float32(0.25), 0.25),
        (np.float16(0.25), 0.25),
        (np.longdouble(0.25), 0.25),
        (np.int32(2), 2),
        (np.array(0.25), 0.25),
        (torch.tensor(0.25), 0.25),
        (torch.tensor(0.25, dtype=torch.bfloat16, requires_grad=True), 0.25),
        (torch.tensor(2), 2),
    ],
    ids=lambda given: f"{type(given).__name__}-{given}",
)
def test_numbers_of_any_kind(given, value):
    assert parse_number(given) == value
    assert type(parse_number(given)) is float
    assert TypeAdapter(Number).validate_python(given) == value


@pytest.mark.parametrize(
    "given",
    [
        *("", "a", "1/0", "8/255/2", "inf", "nan", b"1", np.array("0.1")),
        *([0.1], (0.1,), {}, {"a": 1}, np.array([0.1]), torch.tensor([0.1]), Fraction, object()),
        *(True, np.True_, torch.tensor(True), 1j, np.complex64(1), torch.tensor(1j)),
        *(math.nan, math.inf, np.float32("nan"), torch.tensor(math.inf), 10**400, torch.empty((), device="meta")),
    ],
    ids=lambda given: f"{type(given).__name__}-{str(given)[:12]}",
)
def test_what_is_no_number(given):
    with pytest.raises(ValueError, match="not a") as caught:
        parse_number(given)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValidationError):
        TypeAdapter(NonNegative).validate_python(given)


@pytest.mark.parametrize("value", [8 / 255, 0.25, 0.0, 1.0, -4 / 255, 0.0314, 3.0])
def test_formatted_numbers_read_back(value):
    assert parse_number(format_number(value)) == pytest.approx(value, abs=1e-6)


KINDS = {
    "list": list,
    "tuple": tuple,
    "numpy": np.array,
    "objects": lambda values: np.array(values, dtype=object),
    "torch": torch.tensor,
    "with-gradient": lambda values: torch.tensor(values, dtype=torch.float32, requires_grad=True),
    "bfloat16": lambda values: torch.tensor(values, dtype=torch.bfloat16),
    "pandas": pd.Series,
    "nullable": lambda values: pd.Series(values, dtype="Int64"),
    "tensors": lambda values: [torch.tensor(value) for value in values],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_array_is_the_same(kind):
    values = KINDS[kind]([1, 0, 1, 1])
    assert real_array(values, "values", 1).tolist() == [1.0, 0.0, 1.0, 1.0]
    assert share_array(values, "values", 1).tolist() == [1.0, 0.0, 1.0, 1.0]
    assert mark_array(values, "values", 1).tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    "values",
    [[None, 1.0], pd.Series([pd.NA, 1], dtype="Int64"), np.ma.masked_array([7.0, 1.0], [True, False]), [math.nan, 1]],
    ids=["none", "pandas", "masked", "nan"],
)
def test_a_missing_value_is_nan_or_refused(values):
    assert np.isnan(real_array(values, "values", 1, finite=False)).tolist() == [True, False]
    with pytest.raises(ConfigError, match="1 of 2 values are nan or infinite"):
        real_array(values, "values", 1)


@pytest.mark.parametrize(
    "values",
    ["0.5", ["0.5", "1"], [[1, 2], [3]], [1j], torch.tensor([1j]), None, {"a": 1}, pd.Series(["a", 1]), object()],
    ids=["text", "texts", "ragged", "complex", "complex-tensor", "none", "dict", "mixed", "object"],
)
def test_what_is_no_array_of_numbers_is_one_line(values):
    with pytest.raises(ConfigError, match=r"^values: ") as caught:
        real_array(values, "values", 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "number", [3, 3.0, np.int64(3), np.float32(3), np.array(3), torch.tensor(3), Decimal(3)], ids=repr
)
def test_a_count_of_any_kind(number):
    assert whole_number(number, "points", 1) == 3


@pytest.mark.parametrize("number", [0, -1, 1.5, math.nan, math.inf, True, "3", None, [3], np.array([3])], ids=repr)
def test_what_is_no_count_is_one_line(number):
    with pytest.raises(ConfigError, match="points: give a whole number, 1 or more"):
        whole_number(number, "points", 1)


@pytest.mark.parametrize("number", [0, 1, -0.1, 95, math.nan, True, "0.05", None], ids=repr)
def test_what_is_no_probability_is_one_line(number):
    assert probability(np.float32(0.25), "delta") == 0.25
    with pytest.raises(ConfigError, match="delta: give a number between 0 and 1"):
        probability(number, "delta")
