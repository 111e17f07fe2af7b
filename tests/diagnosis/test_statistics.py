"""Accuracy with the outputs renamed."""

import torch
import torch.nn.functional as F

from cotoolkit.diagnosis.statistics import renamed

LABELS = torch.randint(5, (400,), generator=torch.Generator().manual_seed(0))


def test_another_order_of_the_classes_is_found():
    order = torch.tensor([3, 0, 4, 1, 2])
    found = renamed(F.one_hot(order[LABELS], 7).float(), LABELS)  # two outputs more than classes
    assert found is not None
    assert (found.value, found.points) == (1, 200)


def test_guesses_stay_guesses_because_the_order_is_scored_on_other_points():
    # On ten points alone the best order of 100 classes is right nearly everywhere.
    noise = torch.randn(20, 100, generator=torch.Generator().manual_seed(1))
    found = renamed(noise, torch.arange(20) * 5)
    assert found is not None
    assert found.value < 0.2
    always_first = renamed(F.one_hot(torch.zeros(400, dtype=torch.int64), 5).float(), LABELS)
    assert always_first is not None
    assert always_first.value < 0.3


def test_one_point_tells_nothing():
    assert renamed(torch.eye(3)[:1], torch.tensor([0])) is None
