import itertools

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interventions import CARRIERS, Given, InterventionError, Paired, RandomOrthonormal, ReleasedRows, ZigZag
from interventions.carriers.patterns import patterns, released_row_patterns, zigzag

CIFAR = (3, 32, 32)
PAPER = [(0, 1), (1, 0), (1, 1), (2, 1), (1, 2)]


def gram(vectors):
    """Cosines between sign vectors, exact in float64."""
    flat = vectors.double().flatten(1)
    return flat @ flat.mT / flat.shape[1]


def one_hot_idct(p, q, height, width):
    spectrum = np.zeros((height, width))
    spectrum[p, q] = 1
    return scipy.fft.idctn(spectrum)


def test_the_papers_ten_patterns():
    v = Paired().vectors(10, CIFAR, torch.float64)
    assert v.shape == (10, 3, 32, 32)
    for c, (p, q) in enumerate(PAPER):
        expected = np.sign(one_hot_idct(p, q, 32, 32))
        np.testing.assert_array_equal(v[c].numpy(), np.broadcast_to(expected, CIFAR))
    assert torch.equal(v[5:], -v[:5])
    assert torch.equal(v.abs(), torch.ones_like(v))
    assert torch.equal(gram(v[:5]), torch.eye(5, dtype=torch.float64))  # exactly orthogonal
    assert torch.linalg.matrix_rank(v.flatten(1)) == 5
    assert v.flatten(1).norm(dim=1).tolist() == pytest.approx([3072**0.5] * 10)


def test_the_papers_patterns_as_pictures():
    planes = Paired().vectors(10, CIFAR)[:, 0]
    left, top = torch.ones(32, 32), torch.ones(32, 32)
    left[:, 16:], top[16:] = -1, -1
    for c, expected in enumerate((left, top, left * top)):
        assert torch.equal(planes[c], expected)
    flips = [
        [(plane[:-1, 0] != plane[1:, 0]).sum().item(), (plane[0, :-1] != plane[0, 1:]).sum().item()]
        for plane in planes[:5]
    ]
    assert flips == [list(pq) for pq in PAPER]  # sign changes down and across
    down = planes[3][:, 0]
    assert (down[:8] == 1).all()
    assert (down[8:24] == -1).all()
    assert (down[24:] == 1).all()


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(range(10), 2)))
def test_two_of_the_ten_differ_in_half_of_the_entries_or_in_all(a, b):
    v = Paired().vectors(10, CIFAR)
    assert (v[a] != v[b]).double().mean() == (1.0 if b == a + 5 else 0.5)


@pytest.mark.parametrize("classes", [1, 2, 5, 7, 11, 100])
def test_paired_for_other_numbers_of_classes(classes):
    v = Paired().vectors(classes, CIFAR)
    half = (classes + 1) // 2
    assert len(v) == classes == len(v.unique(dim=0))
    assert torch.equal(v[half:], -v[: classes - half])
    common = min(half, 5)
    assert torch.equal(v[:common], Paired().vectors(10, CIFAR)[:common])


@pytest.mark.parametrize(("classes", "cosine"), [(10, 0.375), (20, 0.375), (100, 0.5)])
def test_zigzag_is_of_full_rank_and_its_largest_cosine_is_the_specs(classes, cosine):
    v = ZigZag().vectors(classes, CIFAR, torch.float64)
    assert torch.equal(v.abs(), torch.ones_like(v))
    assert torch.linalg.matrix_rank(v.flatten(1)) == classes
    assert gram(v).fill_diagonal_(0).abs().max() == cosine


def test_zigzag_starts_as_in_jpeg():
    assert zigzag(8, 8)[:9] == [(0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0)]
    assert len(set(zigzag(3, 5))) == 14
    assert (0, 0) not in zigzag(3, 5)
    v = ZigZag().vectors(3, (1, 16, 16))
    np.testing.assert_array_equal(v[2, 0].numpy(), np.sign(one_hot_idct(2, 0, 16, 16)))


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 9), width=st.integers(1, 9))
def test_sign_patterns_of_any_size_have_no_zero_no_duplicate_and_no_negative(height, width):
    order = zigzag(height, width)
    if not order:
        return
    v = patterns(order, height, width, binary=True)
    assert set(v.unique().tolist()) <= {-1.0, 1.0}
    assert len(torch.cat([v, -v]).unique(dim=0)) == 2 * len(order)
    for plane, (p, q) in zip(v, order, strict=True):
        cosine = one_hot_idct(p, q, height, width)
        clear = np.abs(cosine) > 1e-9
        np.testing.assert_array_equal(plane.numpy()[clear], np.sign(cosine)[clear])


@pytest.mark.parametrize("carrier", [Paired(wave="cosine"), ZigZag(wave="cosine")])
def test_the_smooth_control_has_the_frequencies_and_the_linf_norm_of_the_sign_patterns(carrier):
    smooth = carrier.vectors(10, CIFAR, torch.float64)
    sharp = type(carrier)().vectors(10, CIFAR, torch.float64)
    torch.testing.assert_close(smooth.abs().amax(dim=(1, 2, 3)), torch.ones(10, dtype=torch.float64))
    assert torch.equal(smooth.sign(), sharp)
    spectrum = scipy.fft.dctn(smooth[:, 0].numpy(), axes=(-2, -1), norm="ortho")
    assert ((np.abs(spectrum) > 1e-9).sum(axis=(1, 2)) == 1).all()  # a single frequency each


def test_the_high_control_mirrors_the_order():
    v = Paired(wave="cosine", band="high").vectors(10, (1, 8, 8), torch.float64)
    spectrum = np.abs(scipy.fft.dctn(v[:5, 0].numpy(), axes=(-2, -1), norm="ortho")).reshape(5, -1)
    assert [divmod(int(k), 8) for k in spectrum.argmax(axis=1)] == [(7, 7), (7, 6), (6, 7), (5, 7), (6, 6)]
    assert torch.equal(v[5:], -v[:5])


def test_random_orthonormal():
    unit = RandomOrthonormal(norm="l2").vectors(20, (3, 6, 5), torch.float64).flatten(1)
    torch.testing.assert_close(unit @ unit.mT, torch.eye(20, dtype=torch.float64))
    peaked = RandomOrthonormal().vectors(20, (3, 6, 5), torch.float64)
    torch.testing.assert_close(peaked.abs().amax(dim=(1, 2, 3)), torch.ones(20, dtype=torch.float64))
    torch.testing.assert_close(peaked.flatten(1) / peaked.flatten(1).norm(dim=1, keepdim=True), unit)
    again = RandomOrthonormal(seed=1, norm="l2").vectors(20, (3, 6, 5), torch.float64).flatten(1)
    assert (again - unit).abs().max() > 0.01
    fewer = RandomOrthonormal(norm="l2").vectors(3, (1, 1, 3), torch.float64).flatten(1)
    torch.testing.assert_close(fewer @ fewer.mT, torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("as_type", [lambda x: x, torch.Tensor.tolist, torch.Tensor.numpy])
def test_given_takes_tensors_arrays_and_lists_and_scales_them(as_type):
    values = torch.tensor([[[[3.0, 4.0]]], [[[0.0, -2.0]]]])
    torch.testing.assert_close(
        Given(as_type(values), norm="l2").vectors(2, (1, 1, 2)), torch.tensor([[[[0.6, 0.8]]], [[[0.0, -1.0]]]])
    )
    torch.testing.assert_close(
        Given(as_type(values)).vectors(None, (1, 1, 2)), torch.tensor([[[[0.75, 1.0]]], [[[0.0, -1.0]]]])
    )


def test_released_rows_repeats_the_specs_fault():
    v = ReleasedRows().vectors(10, CIFAR, torch.float64)
    assert torch.linalg.matrix_rank(v.flatten(1)) == 6
    assert torch.triu(gram(v) == 1, 1).sum() == 4
    v = ReleasedRows().vectors(100, CIFAR, torch.float64)
    assert torch.linalg.matrix_rank(v.flatten(1)) == 31
    assert torch.triu(gram(v) == 1, 1).sum() == 45
    assert len(v.unique(dim=0)) == 55


def test_released_rows_is_the_sign_of_scipys_idct_of_two_full_rows():
    v = ReleasedRows().vectors(40, (1, 16, 16))
    for plane, pair in zip(v[:, 0], zigzag(16, 16), strict=False):
        spectrum = np.zeros((16, 16))
        spectrum[list(pair)] = 1  # a list of two row indices: the fault itself
        np.testing.assert_array_equal(plane.numpy(), np.sign(scipy.fft.idctn(spectrum)))


@pytest.mark.parametrize(
    ("carrier", "classes", "shape", "message"),
    [
        (ZigZag(), 16, (3, 4, 4), "zigzag has 15 vectors for 3 x 4 x 4 images, not 16"),
        (Paired(), 31, (3, 4, 4), "paired has 30 vectors"),
        (RandomOrthonormal(), 13, (3, 2, 2), "random_orthonormal has 12 vectors"),
        (ReleasedRows(), 16, (3, 4, 4), "released_rows has 15 vectors"),
        (ZigZag(), 1, (1, 1, 1), "zigzag has 0 vectors"),
        (ZigZag(), None, (3, 4, 4), "pass classes=10"),
        (ZigZag(), 0, (3, 4, 4), "at least one class, not 0"),
        (Given([[[[1.0, 2.0]]]]), 2, (1, 1, 2), "given has 1 vectors, the data 2 classes"),
        (Given([[[[1.0, 2.0]]]]), 1, (1, 2, 2), r"vectors of \(1, 1, 2\), the images are \(1, 2, 2\)"),
    ],
)
def test_a_carrier_says_what_it_cannot_do(carrier, classes, shape, message):
    with pytest.raises(InterventionError, match=message):
        carrier.vectors(classes, shape)


def test_capacity_is_reached_exactly():
    assert len(ZigZag().vectors(15, (3, 4, 4)).unique(dim=0)) == 15
    assert len(Paired().vectors(30, (3, 4, 4)).unique(dim=0)) == 30


CARRIER_EXAMPLES = [
    *(CARRIERS[name]() for name in ("paired", "zigzag", "random_orthonormal", "released_rows")),
    Paired(wave="cosine", band="high", norm="l2"),
    Given(torch.arange(1, 1 + 4 * 3 * 5 * 7).reshape(4, 3, 5, 7) / 7),
]


def test_every_registered_carrier_has_an_example():
    assert {carrier.name for carrier in CARRIER_EXAMPLES} == set(CARRIERS.names())


@pytest.mark.parametrize("carrier", CARRIER_EXAMPLES, ids=repr)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_every_carrier_has_unit_norm_a_cache_a_round_trip_and_an_inference_safe_start(carrier, norm):
    carrier = CARRIERS.parse({**CARRIERS.dump(carrier), "norm": norm})
    assert CARRIERS.parse(CARRIERS.dump(carrier)) == carrier
    with torch.inference_mode():
        v = carrier.vectors(4, (3, 5, 7), torch.float64)
    assert v.shape == (4, 3, 5, 7)
    assert not v.is_inference()
    assert v is carrier.vectors(4, (3, 5, 7), torch.float64)
    order = torch.inf if norm == "linf" else 2
    torch.testing.assert_close(v.flatten(1).norm(order, dim=1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(carrier.vectors(4, (3, 5, 7)), v.float())


@pytest.mark.parametrize(("height", "width"), [(5, 4), (9, 9), (12, 12), (28, 28), (15, 8), (32, 32)])
def test_released_rows_counts_an_exact_zero_as_plus_whatever_the_round_off(height, width):
    """Two rows cancel at some pixels, such as rows 3 and 5 at 28 pixels, where floats leave 1e-16 of either sign."""
    order = [pq for pq in zigzag(height, width) if max(pq) < height][:60]
    zeros = 0
    for plane, (p, q) in zip(released_row_patterns(order, height, width), order, strict=True):
        spectrum = np.zeros((height, width))
        spectrum[[p, q]] = 1
        exact = scipy.fft.idctn(spectrum)
        zero = np.abs(exact) < 1e-12
        zeros += zero.sum()
        np.testing.assert_array_equal(plane.numpy(), np.where(zero, 1, np.sign(exact)))
    assert (zeros > 0) == (height != 32)
