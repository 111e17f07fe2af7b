"""The signals of a diagnosis, against hand-computed tensors and independent implementations."""

import math

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given
from hypothesis import strategies as st

from cotoolkit.signals import SIGNALS
from cotoolkit.signals.curvature import top_hessian_eigenvalue
from cotoolkit.signals.local import bilinear_error, input_curvature, taylor_residual
from cotoolkit.signals.masking import logit_spread, regained_accuracy, zero_gradient
from cotoolkit.signals.perturbation import perturbation_alignment, perturbation_spectrum
from cotoolkit.signals.segment import boundary_distortion, smallest_fooling_fraction


def rows(*values):
    return torch.tensor(values, dtype=torch.float32).view(len(values), 1, 1, -1)


def grid(*rows_of_bits):
    return torch.tensor(rows_of_bits, dtype=torch.bool)


def test_taylor_residual_by_hand():
    # L = 3 expected from 1 + <(1, 2), (0, 1)> = 3: 0. Where the loss is 5 instead, (5 - 3)^2 = 4.
    gradient, step = rows([1, 2], [1, 2]), rows([0, 1], [0, 1])
    assert taylor_residual(torch.ones(2), torch.tensor([3.0, 5.0]), gradient, step).tolist() == [0, 4]


def test_bilinear_error_by_hand():
    # Chord at a = 0.25 of 1 and 5: 2. A loss of 2 lies on it, of 4 is 2 above: 4.
    first, second, share = torch.ones(2), torch.full((2,), 5.0), torch.full((2,), 0.25)
    assert bilinear_error(first, second, torch.tensor([2.0, 4.0]), share).tolist() == [0, 4]


def test_curvature_by_hand():
    assert input_curvature(rows([1, 0]), rows([4, 4])).item() == pytest.approx(5)


def test_perturbation_alignment_by_hand():
    values = perturbation_alignment(rows([1, 0], [1, 0], [0, 0]), rows([2, 0], [0, 1], [1, 1])).tolist()
    assert values[:2] == pytest.approx([1, 0])
    assert math.isnan(values[2])


def test_the_top_eigenvalue_is_that_of_the_hessian():
    """Quadratics of random symmetric matrices, whose Hessian is the matrix; numpy finds its eigenvalues."""
    draws = torch.Generator().manual_seed(3)
    orthogonal = torch.linalg.qr(torch.randn(4, 6, 6, generator=draws))[0]
    eigenvalues = torch.tensor([[5.0, 2, 1, 0, -1, -2], [-4, 1, 1, 1, 0, 0], [3, -1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    matrices = orthogonal @ torch.diag_embed(eigenvalues) @ orthogonal.mT

    def gradient_of(images):
        return (matrices @ images.flatten(1)[:, :, None]).view_as(images)

    found = top_hessian_eigenvalue(gradient_of, torch.randn(4, 1, 2, 3, generator=draws), draws, steps=60)
    expected = [values[np.abs(values).argmax()] for values in np.linalg.eigvalsh(matrices.numpy())]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def test_a_gradient_that_is_constant_has_no_curvature():
    images, draws = torch.rand(2, 1, 2, 2), torch.Generator().manual_seed(0)
    assert top_hessian_eigenvalue(torch.ones_like, images, draws).tolist() == [0, 0]
    assert top_hessian_eigenvalue(lambda x: 0 * x + 1, images, draws).tolist() == [0, 0]


def test_differences_of_gradients_agree_where_the_loss_is_smooth_and_count_the_kinks_elsewhere():
    images = torch.randn(3, 1, 2, 3, generator=torch.Generator().manual_seed(0)).double()

    def bent(x):
        return x.cos() * x.new_tensor([2.0, -1.0, 0.5])

    exact, near = (top_hessian_eigenvalue(bent, images, torch.Generator().manual_seed(1), h=h) for h in (None, 1e-3))
    torch.testing.assert_close(near, exact, rtol=1e-5, atol=1e-8)

    def kink(x):  # the gradient of max(x, 0), which autograd takes for constant
        return (x > 0).to(x) * 1.0

    zero = torch.zeros(2, 1)
    assert top_hessian_eigenvalue(kink, zero, torch.Generator().manual_seed(1)).tolist() == [0, 0]
    found = top_hessian_eigenvalue(kink, zero, torch.Generator().manual_seed(1), h=0.01)
    assert found.tolist() == pytest.approx([50, 50])  # from 0 to 1 over 2 h
    for h in (0, -0.01, float("nan")):
        with pytest.raises(ValueError, match="differences need a distance above 0"):
            top_hessian_eigenvalue(kink, zero, torch.Generator().manual_seed(1), h=h)


def test_boundary_distortion_by_hand():
    # Columns: right throughout; wrong between; wrong at the end; wrong at the image.
    correct = grid([1, 1, 1, 0], [1, 0, 0, 1], [1, 1, 1, 1], [1, 1, 0, 1])
    values = boundary_distortion(correct).tolist()
    assert values[:2] == [0, 1]
    assert all(math.isnan(value) for value in values[2:])


def test_smallest_fooling_fraction_by_hand():
    # Columns: never fooled; at the first third; at the second and not at the third; wrong already.
    correct = grid([1, 1, 1, 0], [1, 0, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1])
    values = smallest_fooling_fraction(correct).tolist()
    assert values[:3] == pytest.approx([1, 1 / 3, 2 / 3])
    assert math.isnan(values[3])


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=4, max_size=9))
def test_distortion_is_what_counting_by_hand_gives(bits):
    correct = torch.tensor(bits)
    found = boundary_distortion(correct)
    for column, value in zip(correct.T.tolist(), found.tolist(), strict=True):
        if column[0] and column[-1]:
            assert value == (not all(column))
        else:
            assert math.isnan(value)


def test_the_spectrum_is_scipys():
    delta = torch.randn(3, 2, 5, 7, generator=torch.Generator().manual_seed(0))
    energy = (scipy.fft.dctn(delta.double().numpy(), axes=(-2, -1), norm="ortho") ** 2).sum(1)
    shell = np.maximum(np.arange(5)[:, None], np.arange(7)[None, :])
    expected = np.stack([energy[:, shell == radius].sum(1) for radius in range(7)], 1)
    found = perturbation_spectrum(delta)
    assert found.shape == (3, 7)
    assert found.numpy() == pytest.approx(expected / expected.sum(1, keepdims=True), abs=1e-5)
    assert found.sum(1).tolist() == pytest.approx([1, 1, 1])


def test_a_zero_perturbation_has_no_spectrum():
    assert perturbation_spectrum(torch.zeros(1, 1, 4, 4)).isnan().all()


def test_zero_gradients_by_hand():
    nan, inf = math.nan, math.inf
    found = zero_gradient(rows([0, 0], [0, 1e-30], [nan, 1], [nan, 0], [nan, nan], [inf, 0]))
    assert found.tolist() == [1, 0, 0, 1, 1, 0]


def test_the_spread_of_outputs_ignores_their_scale():
    once = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    turned = torch.tensor([[6.0, 8.0], [0.0, 1.0]])
    assert logit_spread(torch.stack([once, turned, once])).tolist() == pytest.approx([0, math.sqrt(2)], abs=1e-6)


def test_regained_accuracy_by_hand():
    # Accuracies 3/4, 1/4, 2/4, 4/4: falls, then regains 1/4 and 3/4 above the least before.
    correct = grid([1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1])
    assert regained_accuracy(correct).tolist() == pytest.approx([0, 0, 0.25, 0.75])


@pytest.mark.parametrize("name", ["logit_spread", "zero_gradient", "perturbation_spectrum"])
def test_what_no_source_says_about_the_break_has_no_direction(name):
    assert SIGNALS[name].at_break is None
