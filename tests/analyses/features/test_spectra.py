import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn

from analyses.features.spectra import (
    band_shares,
    energy_entropy,
    energy_participation_ratio,
    gini,
    high_frequency_share,
    shell_shares,
)
from interventions.frequency import idct2


def basis(p: int, q: int, height: int, width: int) -> torch.Tensor:
    spectrum = torch.zeros(1, 1, height, width, dtype=torch.float64)
    spectrum[0, 0, p, q] = 3.0
    return idct2(spectrum)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 7), st.integers(0, 5))
def test_a_basis_image_lies_in_its_shell_and_band(p, q):
    image = basis(p, q, 8, 6)
    for shape, shell in (("square", max(p, q)), ("radial", math.floor(math.hypot(p, q)))):
        shares = shell_shares(image, shape)[0]
        assert shares.argmax() == shell
        assert shares.sum() == pytest.approx(1)
        assert shares[shell] == pytest.approx(1)
    relative = max(p / 8, q / 6)
    bands = torch.stack(list(band_shares(image)))[:, 0]
    assert bands[min(int(relative * 3 + 1e-12), 2)] == pytest.approx(1)
    assert high_frequency_share(image)[0] == pytest.approx(float(relative > 0.5), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_shares_match_scipys_spectrum(seed):
    images = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    energy = (dctn(images.numpy(), axes=(-2, -1), norm="ortho") ** 2).sum(1)
    p, q = np.mgrid[:8, :8]
    radius = np.maximum(p, q)
    total = (images.numpy() ** 2).sum((1, 2, 3))  # energy is conserved
    expected = np.stack([energy[:, radius == k].sum(1) for k in range(8)], 1) / total[:, None]
    np.testing.assert_allclose(shell_shares(images), expected)
    low, mid, high = band_shares(images)  # thirds of 8: shells 0 to 2, 3 to 5, 6 and 7
    np.testing.assert_allclose(low, expected[:, :3].sum(1))
    np.testing.assert_allclose(mid, expected[:, 3:6].sum(1))
    np.testing.assert_allclose(high, expected[:, 6:].sum(1))
    np.testing.assert_allclose(high_frequency_share(images), expected[:, 5:].sum(1))


def test_white_noise_has_the_shares_of_the_coefficients():
    noise = torch.randn(20000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert [float(share.mean()) for share in band_shares(noise)] == pytest.approx([9 / 64, 27 / 64, 28 / 64], abs=2e-3)


CONCENTRATION = [  # values, participation ratio, entropy, gini
    ([1.0, -1.0, 1.0, 1.0], 4, math.log(4), 0),
    ([0.0, 0.0, -2.0, 0.0], 1, 0, 0.75),
    ([3.0, 0.0, 0.0, 3.0], 2, math.log(2), 0.5),
    # energy 1, 4: PR 25/17; p = .2, .8; Gini (2 * (1*1 + 2*2) - 3*3) / (2*3) = 1/6
    ([1.0, 2.0], 25 / 17, -0.2 * math.log(0.2) - 0.8 * math.log(0.8), 1 / 6),
]


@pytest.mark.parametrize("scale", [1.0, 1e-30])
@pytest.mark.parametrize(("values", "ratio", "entropy", "inequality"), CONCENTRATION)
def test_concentration_by_hand_at_any_scale(values, ratio, entropy, inequality, scale):
    batch = torch.tensor([values]) * scale
    assert energy_participation_ratio(batch).item() == pytest.approx(ratio)
    assert energy_entropy(batch).item() == pytest.approx(entropy)
    assert gini(batch).item() == pytest.approx(inequality, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_gini_is_the_mean_difference_over_twice_the_mean(seed):
    values = torch.randn(1, 17, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    sizes = values.abs()[0]
    assert gini(values).item() == pytest.approx(float((sizes[:, None] - sizes).abs().mean() / (2 * sizes.mean())))


def test_zeros_give_nan():
    zeros = torch.zeros(2, 1, 4, 4)
    for statistic in (energy_participation_ratio, energy_entropy, gini, high_frequency_share, shell_shares):
        assert statistic(zeros).isnan().all()
