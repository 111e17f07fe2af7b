"""The integrands of the local regulariser."""

import pytest
import torch

from cotoolkit.attacks import gradient as attacks
from cotoolkit.methods._terms.local_terms import LocalSample, linearity_error, local_term
from tests._helpers.networks import conv_net
from tests._helpers.stepping import batch


def test_linearity_error_on_a_quadratic_is_half_the_second_order_term():
    draws = torch.Generator().manual_seed(1)
    matrix = torch.randn(7, 7, generator=draws, dtype=torch.float64)
    matrix = matrix + matrix.T
    slope = torch.randn(7, generator=draws, dtype=torch.float64)

    def loss(x):
        return 0.5 * (x @ matrix * x).sum(1) + x @ slope + 3.0

    centre = torch.randn(5, 7, generator=draws, dtype=torch.float64)
    move = torch.randn(5, 7, generator=draws, dtype=torch.float64)
    gradient = centre @ matrix + slope
    expected = 0.5 * (move @ matrix * move).sum(1).abs()
    torch.testing.assert_close(linearity_error(loss(centre), loss(centre + move), gradient, move), expected)


@pytest.mark.parametrize("integrand", ["kl", "squared", "linearity", "alignment"])
def test_integrands_vanish_at_the_centre(integrand):
    given = batch()
    found = attacks.input_gradient(conv_net(norm=False), given.images, given.labels)
    centre = LocalSample(given.images, found.logits, found.gradient)
    assert local_term(integrand, centre, centre, given.labels).item() == pytest.approx(0, abs=1e-6)
