"""Flags of samples that a network is confidently wrong about."""

import torch

from cotoolkit.methods._weighting.suspicion import suspicion
from tests._helpers.worked_logits import LABELS, WORKED


def test_flags_of_the_worked_example():
    confidence, flagged = suspicion(WORKED, LABELS)
    torch.testing.assert_close(
        confidence, torch.tensor([0.106507, 0.909443, 0.244728, 0.333333, 0.821409]), atol=1e-6, rtol=0
    )
    assert flagged.tolist() == [False, True, False, False, True]  # the fourth is a tie
    assert suspicion(WORKED, LABELS, tau=0.9).flagged.tolist() == [False, True, False, False, False]


def test_ties_are_never_flagged():
    for classes in (2, 3, 7, 10, 33):
        logits = torch.full((50, classes), 0.123456).mul(torch.linspace(-9, 9, 50)[:, None])
        assert not suspicion(logits, torch.arange(50) % classes).flagged.any()
