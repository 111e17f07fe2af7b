"""The divergence in the type that it is given, but for half precision."""

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax

from cotoolkit.methods._terms.divergence import kl_divergence


def logits():
    draws = torch.Generator().manual_seed(0)
    first = torch.randn(20, 5, generator=draws, dtype=torch.float64)
    return first, first + 1e-5 * torch.randn(20, 5, generator=draws, dtype=torch.float64)


def test_double_precision_stays():
    first, second = logits()
    found = kl_divergence(first, second)
    assert found.dtype == torch.float64
    expected = rel_entr(softmax(first.numpy(), 1), softmax(second.numpy(), 1)).sum(1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)  # of 1e-11, which float32 cannot see
    variable = second.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda q: kl_divergence(first, q), variable)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_computed_in_single(kind):
    first, second = (part.to(kind) for part in logits())
    found = kl_divergence(first, second)
    assert found.dtype == torch.float32
    assert torch.equal(found, kl_divergence(first.float(), second.float()))


def test_types_may_differ():
    first, second = logits()
    assert kl_divergence(first, second.float()).dtype == torch.float64
    assert kl_divergence(first.half(), second.float()).dtype == torch.float32
