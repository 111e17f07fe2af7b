import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interventions import dct2, frequency_radius, idct2, keep_frequencies

SIZES = st.tuples(st.integers(1, 3), st.integers(1, 33), st.integers(1, 33))
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@settings(deadline=None, max_examples=40)
@given(size=SIZES, seed=st.integers(0, 1000), dtype=st.sampled_from(list(TOLERANCE)))
def test_dct_matches_scipy_both_ways(size, seed, dtype):
    x = noise(2, *size, seed=seed, dtype=dtype)
    for ours, oracle in ((dct2, scipy.fft.dctn), (idct2, scipy.fft.idctn)):
        expected = oracle(x.double().numpy(), axes=(-2, -1), norm="ortho")
        assert ours(x).dtype == dtype
        np.testing.assert_allclose(ours(x).numpy(), expected, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_transformed_in_float32(dtype):
    x = noise(3, 8, 8, dtype=dtype)
    assert torch.equal(dct2(x), dct2(x.float()))


def test_a_transform_cached_in_inference_mode_serves_training():
    with torch.inference_mode():
        dct2(torch.zeros(1, 29, 29))
    x = torch.zeros(1, 29, 29, requires_grad=True)
    dct2(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_radius_by_hand():
    root = 2**0.5
    assert frequency_radius(2, 3).tolist() == [[0, 1, 2], [1, 1, 2]]
    torch.testing.assert_close(frequency_radius(2, 2, "dct", "radial"), torch.tensor([[0, 1], [1, root]]))
    assert frequency_radius(5, 4, "dft").tolist() == [[0, 1, 2], [1, 1, 2], [2, 2, 2], [2, 2, 2], [1, 1, 2]]
    assert frequency_radius(4, 1, "dft", "radial").flatten().tolist() == [0, 1, 2, 1]


@settings(deadline=None, max_examples=30)
@given(size=SIZES, bandwidth=st.integers(0, 20), shape=st.sampled_from(["square", "radial"]))
def test_dft_filter_matches_a_centred_mask_on_the_full_spectrum(size, bandwidth, shape):
    x = noise(*size)
    height, width = size[1:]
    fy, fx = np.arange(height) - height // 2, np.arange(width) - width // 2
    fy, fx = np.abs(fy)[:, None], np.abs(fx)[None, :]
    mask = (np.maximum(fy, fx) if shape == "square" else np.hypot(fy, fx)) < bandwidth
    spectrum = np.fft.fftshift(scipy.fft.fft2(x.numpy()), axes=(-2, -1)) * mask
    expected = scipy.fft.ifft2(np.fft.ifftshift(spectrum, axes=(-2, -1)))
    assert np.abs(expected.imag).max() < 1e-12  # a mask of |f| keeps real images real
    ours = keep_frequencies(x, lambda radius: radius < bandwidth, "dft", shape)
    np.testing.assert_allclose(ours.numpy(), expected.real, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(
    size=SIZES,
    quarters=st.integers(0, 160),
    shape=st.sampled_from(["square", "radial"]),
)
def test_dct_filter_matches_a_mask_on_scipys_spectrum(size, quarters, shape):
    x, bandwidth = noise(*size), quarters / 4
    p, q = np.arange(size[1])[:, None], np.arange(size[2])[None, :]
    mask = (np.maximum(p, q) if shape == "square" else np.hypot(p, q)) < bandwidth
    expected = scipy.fft.idctn(
        scipy.fft.dctn(x.numpy(), axes=(-2, -1), norm="ortho") * mask, axes=(-2, -1), norm="ortho"
    )
    np.testing.assert_allclose(
        keep_frequencies(x, lambda radius: radius < bandwidth, "dct", shape).numpy(), expected, atol=1e-12
    )
