import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotoolkit.core.registry import InvalidFields
from interventions import (
    BandPass,
    BandStop,
    HighPass,
    InterventionError,
    LowPass,
    ReleasedRowLowPass,
    SwapFrequencies,
    dct2,
    keep_frequencies,
    split_bands,
    swap_high,
)

SPECTRA = [(domain, shape) for domain in ("dct", "dft") for shape in ("square", "radial")]


def energy(images):
    return images.square().sum().item()


@pytest.mark.parametrize(("domain", "shape"), SPECTRA)
@pytest.mark.parametrize("size", [(3, 8, 12), (1, 7, 5), (2, 1, 6)])
def test_complements_sum_to_the_image_share_no_energy_and_are_idempotent(domain, shape, size, generator):
    images = torch.rand(4, *size, dtype=torch.float64, generator=generator)
    kind = {"domain": domain, "shape": shape}
    for one, other in ((LowPass(2, **kind), HighPass(2, **kind)), (BandPass(1, 3, **kind), BandStop(1, 3, **kind))):
        kept, rest = one(images)[0], other(images)[0]
        torch.testing.assert_close(kept + rest, images)
        assert energy(kept) + energy(rest) == pytest.approx(energy(images), rel=1e-12)
        torch.testing.assert_close(one(kept)[0], kept)
        assert energy(one(rest)[0]) < 1e-20
    assert 0 < energy(LowPass(2, **kind)(images)[0]) < energy(images)


@settings(deadline=None, max_examples=30)
@given(bandwidth=st.integers(0, 14), height=st.integers(1, 12), width=st.integers(1, 12))
def test_square_low_pass_keeps_exactly_b_by_b_coefficients(bandwidth, height, width):
    images = torch.randn(1, 2, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kept = dct2(LowPass(bandwidth)(images)[0])
    expected = torch.zeros_like(kept)
    expected[..., :bandwidth, :bandwidth] = dct2(images)[..., :bandwidth, :bandwidth]
    torch.testing.assert_close(kept, expected)


def test_float32_low_pass_matches_scipy_and_is_the_identity_at_32(generator):
    images = torch.rand(1, 3, 32, 32, generator=generator)  # a batch of one keeps its axis
    spectrum = scipy.fft.dctn(images.double().numpy(), axes=(-2, -1), norm="ortho")
    spectrum[..., 16:, :] = spectrum[..., :, 16:] = 0
    expected = scipy.fft.idctn(spectrum, axes=(-2, -1), norm="ortho")
    np.testing.assert_allclose(LowPass()(images)[0].numpy(), expected, atol=2e-6)
    torch.testing.assert_close(LowPass(32)(images)[0], images, atol=2e-6, rtol=0)


def test_the_adjacent_bands_of_a_partition_sum_to_the_image(images):
    bands = [BandPass(low, low + 3, shape="radial")(images)[0] for low in range(0, 18, 3)]
    torch.testing.assert_close(sum(bands), images)


def test_filters_commute_with_a_per_channel_normalisation(images):
    mean, std = torch.tensor([0.4, 0.5, 0.6])[:, None, None], torch.tensor([0.2, 0.3, 0.25])[:, None, None]
    torch.testing.assert_close(LowPass(3)((images - mean) / std)[0], (LowPass(3)(images)[0] - mean) / std)


def test_an_empty_band_is_refused():
    for low, high in ((4, 4), (5, 2)):
        with pytest.raises(InvalidFields, match="low must be below high"):
            BandStop(low, high)


def test_released_low_pass_keeps_rows_with_all_their_columns():
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    spectrum, kept = dct2(images), dct2(ReleasedRowLowPass(8)(images)[0])
    torch.testing.assert_close(kept[:, :, :8, :], spectrum[:, :, :8, :])
    assert kept[:, :, 8:, :].abs().max() < 1e-12
    assert kept[:, :, 0, 31].abs().min() > 0  # the intended square filter drops it


def test_released_low_pass_of_bandwidth_two_erases_the_third_channel():
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) + 0.1
    filtered, _ = ReleasedRowLowPass(2)(images)
    assert filtered[:, 2].abs().max() == 0
    assert filtered[:, :2].abs().amax(dim=(2, 3)).min() > 0.1
    assert LowPass(2)(images)[0][:, 2].abs().max() > 0.1  # the intended one does not


@pytest.mark.parametrize(("domain", "shape"), SPECTRA)
def test_swapping_the_high_band(domain, shape, images):
    first, second = images[:10], images[10:]
    (low_1, high_1), (low_2, high_2) = (split_bands(x, 2, domain, shape) for x in (first, second))
    one, other = swap_high(first, second, 2, domain, shape)
    torch.testing.assert_close(one, low_1 + high_2)
    torch.testing.assert_close(other, low_2 + high_1)
    back, _ = swap_high(one, other, 2, domain, shape)
    torch.testing.assert_close(back, first)
    assert (one - first).abs().max() > 0.1


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_bands_of_whole_numbers_are_refused(dtype):
    images = torch.randint(0, 255, (2, 1, 8, 8)).to(dtype)  # their high part would wrap around
    with pytest.raises(InterventionError, match=r"images must be floating, in \[0, 1\], not torch.*; divide"):
        split_bands(images, 2)
    with pytest.raises(InterventionError, match=r"images must be floating"):
        keep_frequencies(images, lambda radius: radius < 2)
    with pytest.raises(InterventionError, match=r"images of \(2, 3, 8, 8\) and of \(1, 3, 8, 8\): give two"):
        swap_high(torch.rand(2, 3, 8, 8), torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("taken", ["high", "low"])
def test_swap_takes_one_band_of_each_image_from_another(taken, seed, images, labels):
    swap = SwapFrequencies(3, taken=taken)
    out, out_labels = swap(images, labels, torch.Generator().manual_seed(seed))
    before, after = split_bands(images, 3), split_bands(out, 3)
    own, foreign = (0, 1) if taken == "high" else (1, 0)
    torch.testing.assert_close(after[own], before[own])
    assert torch.equal(out_labels, labels)
    distance = torch.cdist(after[foreign].flatten(1), before[foreign].flatten(1))
    partner = distance.argmin(dim=1)
    assert distance.amin(dim=1).max() < 1e-10
    assert (partner != torch.arange(20)).all()
    assert partner.sort().values.tolist() == list(range(20))  # every band is handed on once


def test_swap_leaves_a_batch_of_one_and_draws_other_partners_with_another_seed(images):
    swap = SwapFrequencies(3)
    torch.testing.assert_close(swap(images[:1], None, torch.Generator())[0], images[:1])
    one, other = (swap(images, None, torch.Generator().manual_seed(seed))[0] for seed in (0, 1))
    assert not torch.equal(one, other)
