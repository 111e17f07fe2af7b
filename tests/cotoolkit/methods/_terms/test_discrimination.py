"""The discrimination loss of BAT-style training (benign_at.md, 1.9)."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cotoolkit.methods._terms.discrimination import discrimination

FEATURES = torch.tensor([[1.0, 0], [0.8, 0.6], [0, 1], [-0.6, 0.8]])
PAIRS = torch.tensor([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("form", "temperature", "mean"),
    [("dot", 0.5, 0.430190), ("dot", 1, 0.673577), ("dot", 0.1, 0.063780), ("distance", 1, 0.430190)],
)
def test_discrimination_of_the_worked_example(form, temperature, mean):
    loss, skipped = discrimination(FEATURES, PAIRS, temperature, form)
    assert loss.item() == pytest.approx(mean, abs=1e-6)
    assert skipped == 0


def test_discrimination_by_anchor():
    # Alone with its own terms: an anchor's loss is the mean over the anchors that have positives.
    per_anchor = [0.233257, 0.627123, 0.627123, 0.233257]
    z = FEATURES / 0.5
    for i, expected in enumerate(per_anchor):
        others = [j for j in range(4) if j != i]
        sums = [math.exp(float(FEATURES[i] @ z[j])) for j in others]
        own = sum(s for s, j in zip(sums, others, strict=True) if PAIRS[j] == PAIRS[i])
        assert -math.log(own / sum(sums)) == pytest.approx(expected, abs=1e-6)
    assert discrimination(FEATURES, PAIRS, 0.5).loss.item() == pytest.approx(np.mean(per_anchor), abs=1e-6)


def test_anchors_without_a_positive_are_left_out():
    features = torch.cat([FEATURES, torch.tensor([[0.6, -0.8]])]).requires_grad_()
    labels = torch.tensor([0, 0, 1, 1, 2])
    loss, skipped = discrimination(features, labels, 0.5)
    assert skipped.item() == pytest.approx(0.2)
    z = F.normalize(features.detach(), dim=1)
    expected = []
    for i in range(4):
        terms = {j: math.exp(float(z[i] @ z[j]) / 0.5) for j in range(5) if j != i}
        expected.append(-math.log(sum(t for j, t in terms.items() if labels[j] == labels[i]) / sum(terms.values())))
    assert loss.item() == pytest.approx(np.mean(expected), abs=1e-6)
    loss.backward()
    assert features.grad.isfinite().all()


def test_without_any_positive_the_loss_is_0_and_has_a_gradient():
    features = FEATURES.clone().requires_grad_()
    loss, skipped = discrimination(features, torch.arange(4), 0.5)
    loss.backward()
    assert (loss.item(), skipped.item()) == (0, 1)
    assert torch.equal(features.grad, torch.zeros(4, 2))


def test_low_temperatures_do_not_overflow():
    loss, _ = discrimination(FEATURES, PAIRS, 1e-3)
    assert loss.isfinite()
