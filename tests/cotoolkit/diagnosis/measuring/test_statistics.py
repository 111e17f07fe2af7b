"""Accuracy with the outputs renamed, and the rise of a sweep."""

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import binomtest

from cotoolkit.diagnosis.measuring.statistics import accuracy_regain, renamed_accuracy

LABELS = torch.randint(5, (400,), generator=torch.Generator().manual_seed(0))


def test_another_order_of_the_classes_is_found():
    order = torch.tensor([3, 0, 4, 1, 2])
    found = renamed_accuracy(F.one_hot(order[LABELS], 7).float(), LABELS)  # two outputs more than classes
    assert found is not None
    assert (found.value, found.points) == (1, 200)


def test_guesses_stay_guesses_because_the_order_is_scored_on_other_points():
    # On ten points alone the best order of 100 classes is right nearly everywhere.
    noise = torch.randn(20, 100, generator=torch.Generator().manual_seed(1))
    found = renamed_accuracy(noise, torch.arange(20) * 5)
    assert found is not None
    assert found.value < 0.2
    always_first = renamed_accuracy(F.one_hot(torch.zeros(400, dtype=torch.int64), 5).float(), LABELS)
    assert always_first is not None
    assert always_first.value < 0.3


def test_one_point_tells_nothing():
    assert renamed_accuracy(torch.eye(3)[:1], torch.tensor([0])) is None


def test_a_rise_and_its_interval_by_hand():
    """Of 100 points 20 are right only at 2, and 5 only at 1: it rises by 0.15, between Wilson's ends of both shares."""
    at_one, at_two = torch.zeros(100, dtype=torch.bool), torch.zeros(100, dtype=torch.bool)
    at_one[:45] = True
    at_two[5:65] = True
    found = accuracy_regain((1.0, 2.0), torch.stack([at_one, at_two]))
    assert (found.weak, found.strong) == (1, 2)
    assert found.rise == pytest.approx(0.15)
    gained, lost = (binomtest(hits, 100).proportion_ci(method="wilson") for hits in (20, 5))
    assert (found.low, found.high) == pytest.approx((gained.low - lost.high, gained.high - lost.low))


def test_where_nothing_rises_the_interval_says_how_much_may_have():
    found = accuracy_regain((1.0, 2.0), torch.stack([torch.ones(100), torch.zeros(100)]).bool())
    assert (found.rise, found.weak, found.strong) == (0, 1, 1)
    assert -found.low == found.high == pytest.approx(1.959964**2 / (100 + 1.959964**2), rel=1e-5)
