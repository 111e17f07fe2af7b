"""Indicators of attack failure and signals of steps for a class, against hand-computed and slow references."""

import math

import pytest
import torch

from cotoolkit.signals.attack_failure import unsettled_attack, unstable_prediction
from cotoolkit.signals.label_steps import label_dominance, label_information, self_defeating_step, self_fitting
from cotoolkit.signals.local import linearisation_error
from cotoolkit.signals.perturbation import step_collinearity


def draws():
    return torch.Generator().manual_seed(4)


def slowly_unsettled(trace):
    """The definition, point by point in Python."""
    best, running = [], -math.inf
    for value in trace:
        running = max(running, value)
        best.append(running)
    reach = best[-1] - best[0]
    if reach == 0:
        return 0.0
    scaled = [(value - best[0]) / reach for value in best]
    return float(scaled[-1] - scaled[-11] > 0.05)


def test_whether_an_attack_has_settled_is_that_of_the_definition():
    walks = torch.randn(40, 60, generator=draws(), dtype=torch.float64).cumsum(0)
    walks[:, :20] = walks[:, :20].clamp(max=walks[:15, :20].amax(0))  # some settle for sure
    expected = [slowly_unsettled(walks[:, point].tolist()) for point in range(60)]
    assert unsettled_attack(walks).tolist() == expected
    assert 10 < sum(expected) < 50


def test_a_flat_loss_is_settled_and_a_short_or_broken_trace_says_nothing():
    assert unsettled_attack(torch.ones(20, 1)).tolist() == [0]
    assert unsettled_attack(torch.ones(10, 1)).isnan().all()
    assert unsettled_attack(torch.full((20, 1), torch.nan)).isnan().all()


def test_unstable_predictions_by_hand():
    # Changes of 1, 4 and 0 on a loss of 2: a half, 2 (counted 1) and 0. A loss of 0 that stays is steady.
    losses = torch.tensor([2.0, 0.0, torch.nan])
    moved = torch.tensor([[3.0, 0.0, 1.0], [6.0, 0.0, 1.0], [2.0, 0.0, 1.0]])
    found = unstable_prediction(losses, moved).tolist()
    assert found[:2] == pytest.approx([0.5, 0])
    assert math.isnan(found[2])


def test_the_linearisation_error_is_that_of_each_sample():
    generator = draws()
    losses, moved = torch.rand(5, generator=generator), torch.rand(5, generator=generator) + 0.1
    gradient, step = (torch.randn(5, 2, 3, 3, generator=generator) for _ in range(2))
    expected = [
        abs(float(losses[k]) + float((gradient[k] * step[k]).sum()) - float(moved[k])) / float(moved[k])
        for k in range(5)
    ]
    assert linearisation_error(losses, moved, gradient, step).tolist() == pytest.approx(expected, rel=1e-4)


def test_collinearity_by_hand():
    first, same, opposite = torch.tensor([1.0, 1]), torch.tensor([2.0, 2]), torch.tensor([-1.0, -1])
    steps = torch.stack([first, same, opposite, torch.tensor([1.0, -1])])[:, None]
    assert step_collinearity(steps).tolist() == pytest.approx([0], abs=1e-6)
    assert step_collinearity(steps[:2]).tolist() == pytest.approx([1])
    assert step_collinearity(torch.zeros(3, 1, 2)).isnan().all()


def test_steps_for_classes_by_hand():
    before, after = torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([[0.6, 0.3, 0.1]])
    assert label_information(before, after).tolist() == pytest.approx([1 / 3])
    predicted, classes = torch.tensor([[4, 0, 7], [4, 5, 7]]), torch.tensor([4, 5, 7])
    assert label_dominance(predicted, classes).tolist() == pytest.approx([2 / 3, 1])
    assert self_fitting(predicted, classes).tolist() == pytest.approx([2 / 3, 1])
    assert self_defeating_step(before, after).tolist() == pytest.approx([1 / 3])
    assert label_information(before, torch.full((1, 3), torch.nan)).isnan().all()
