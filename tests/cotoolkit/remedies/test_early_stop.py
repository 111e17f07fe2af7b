"""The rule of the early stop, by hand."""

import pytest

from cotoolkit.remedies import EarlyStop


@pytest.mark.parametrize(
    ("accuracies", "last", "best"),
    [
        ([0.0], "keep", "keep"),  # nothing to go back to
        ([0.5], "keep", "keep"),
        ([0.5, 0.4], "keep", "keep"),
        ([0.5, 0.35, 0.2], "keep", "stop"),  # a slow fall
        ([0.5, 0.2], "stop", "stop"),
        ([0.2, 0.5, 0.4, 0.15], "stop", "stop"),
        ([0.5, 0.2, 0.2], "keep", "stop"),
    ],
)
def test_it_stops_at_a_fall(accuracies, last, best):
    assert EarlyStop().decide(accuracies) == last
    assert EarlyStop(against="best").decide(accuracies) == best


def test_a_fall_of_exactly_the_drop_is_none():
    assert EarlyStop(drop=0.25).decide([0.5, 0.25]) == "keep"
    assert EarlyStop(drop=0).decide([0.5, 0.25]) == "stop"


def test_it_measures_at_the_ends_of_epochs():
    assert [at for at in range(1, 13) if EarlyStop().due(at, 4)] == [4, 8, 12]
