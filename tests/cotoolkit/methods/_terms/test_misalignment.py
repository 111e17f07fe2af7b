import pytest
import torch

from cotoolkit.methods._terms.misalignment import misalignment


def test_misalignment_leaves_zero_gradients_out():
    fixed = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    moving = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    assert misalignment(fixed, moving).item() == pytest.approx(1.0)  # 1 - mean(1, -1)
    assert misalignment(1e-12 * moving[:2].detach(), 1e-12 * moving[:2]).item() == pytest.approx(0, abs=1e-6)
    empty = misalignment(torch.zeros(2, 2), moving[:2])
    empty.backward()
    assert empty.item() == 0
    assert torch.equal(moving.grad, torch.zeros(3, 2))
