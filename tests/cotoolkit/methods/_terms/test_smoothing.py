"""Smoothed targets by hand, and against torch's own smoothing."""

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.methods._terms.smoothing import smoothed_targets


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_an_even_spread_by_hand():
    targets = smoothed_targets(torch.tensor([1, 0]), 5, 0.4)
    expected = torch.tensor([[0.1, 0.6, 0.1, 0.1, 0.1], [0.6, 0.1, 0.1, 0.1, 0.1]])
    torch.testing.assert_close(targets, expected)


@pytest.mark.parametrize("spread", ["even", "random", "all"])
def test_without_smoothing_targets_are_the_labels(spread):
    labels = torch.tensor([3, 1, 0, 2])
    assert torch.equal(smoothed_targets(labels, 4, 0.0, spread, draws()), F.one_hot(labels, 4).float())


@pytest.mark.parametrize("smoothing", [0.1, 0.4, 1.0])
def test_over_all_classes_it_is_torchs_label_smoothing(smoothing):
    logits, labels = torch.randn(7, 6, generator=draws()), torch.randint(6, (7,), generator=draws())
    ours = F.cross_entropy(logits, smoothed_targets(labels, 6, smoothing, "all"))
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels, label_smoothing=smoothing))


@pytest.mark.parametrize("classes", [2, 10])
def test_a_random_spread_keeps_the_labels_share_and_draws_the_rest(classes):
    labels = torch.arange(2).repeat(50)
    targets = smoothed_targets(labels, classes, 0.3, "random", draws())
    torch.testing.assert_close(targets.sum(1), torch.ones(100))
    torch.testing.assert_close(targets.gather(1, labels[:, None]), torch.full((100, 1), 0.7))
    assert (targets >= 0).all()
    assert torch.equal(targets, smoothed_targets(labels, classes, 0.3, "random", draws()))
    same = torch.equal(targets, smoothed_targets(labels, classes, 0.3, "random", draws(1)))
    assert same == (classes == 2)  # with one other class there is nothing to draw
