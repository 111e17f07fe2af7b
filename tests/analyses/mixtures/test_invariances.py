"""Permutation, sign, scale and rotation: what each must and must not change."""

import math

import pytest
import torch

from analyses.mixtures.statistics.change import (
    entries_with,
    hoyer,
    participation,
    relative_size,
    split_by_reference,
    unit_angles,
)
from analyses.mixtures.statistics.matching import (
    cosines,
    lineage_cosines,
    match,
    matched_cosines,
    random_cosine,
    shuffled,
)
from analyses.mixtures.statistics.spectrum import deflated_spectrum, weight_spectrum
from tests._helpers.planted_mixtures import random_rows


def test_identical_units():
    rows = random_rows(0, 30, 20)
    assert lineage_cosines(rows, rows).tolist() == pytest.approx([1] * 30)
    assert matched_cosines(rows, rows).tolist() == pytest.approx([1] * 30)


def test_permuted_units_are_found_by_matching():
    rows = random_rows(1, 30, 20)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(2))
    assert match(rows[order], rows).tolist() == order.tolist()
    assert matched_cosines(rows[order], rows).tolist() == pytest.approx([1] * 30)
    assert lineage_cosines(rows[order], rows).abs().mean() < 0.6


def test_flipped_units_match_only_up_to_sign():
    rows = random_rows(3, 30, 20)
    flips = torch.tensor([1.0, -1.0]).repeat(15)[:, None]
    order = torch.randperm(30, generator=torch.Generator().manual_seed(4))
    flipped = (rows * flips)[order]
    assert match(flipped, rows).tolist() == order.tolist()
    assert matched_cosines(flipped, rows).tolist() == pytest.approx([1] * 30)
    assert float(matched_cosines(flipped, rows, signs=False).mean()) < 0.9


def test_scaled_units_have_no_angle_and_no_mixture():
    rows = random_rows(5, 30, 200)
    parts = split_by_reference(3 * rows, rows)
    assert unit_angles(3 * rows, rows).max() < 1e-4
    assert parts.ratio.max() < 1e-6
    assert parts.beta.tolist() == pytest.approx([3] * 30)
    assert parts.pure.tolist() == pytest.approx([1] * 30)


def test_rotated_units_keep_their_spectrum_and_lose_their_angles():
    rows = random_rows(6, 64, 300)
    turned = rows @ torch.linalg.qr(random_rows(7, 300, 300)).Q
    assert weight_spectrum(turned) == pytest.approx(weight_spectrum(rows), rel=1e-4)
    assert deflated_spectrum(turned) == pytest.approx(deflated_spectrum(rows), rel=1e-4)
    assert lineage_cosines(turned, rows).abs().mean() == pytest.approx(random_cosine(300), abs=0.02)


def test_a_matrix_of_rank_one_has_no_deflated_spectrum():
    rows = random_rows(8, 1, 40) * random_rows(9, 30, 1)
    assert all(math.isnan(value) for value in deflated_spectrum(rows))
    second = rows + 1e-3 * random_rows(10, 1, 40) * random_rows(11, 30, 1)
    assert deflated_spectrum(second).stable_rank == pytest.approx(1, abs=1e-3)


def test_units_of_zeros_are_at_right_angles_and_have_no_ratio():
    first, second = torch.tensor([[0.0, 0], [0, 0], [1, 0]]), torch.tensor([[0.0, 0], [1, 0], [0, 0]])
    assert unit_angles(first, second).tolist() == [90, 90, 90]
    assert split_by_reference(first, second).ratio.isnan().tolist() == [True, True, False]


def test_split_by_hand():
    # (3, 4) on (2, 0): beta 1.5, rest (0, 4), ratio 4 / 3; (1, 0) on (-1, 0): no rest; zero reference: all rest
    parts = split_by_reference(
        torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]]), torch.tensor([[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    )
    assert parts.beta.tolist() == pytest.approx([1.5, -1, 0])
    assert parts.rest.tolist() == [[0, 4], [0, 0], [0, 2]]
    assert parts.ratio.tolist() == pytest.approx([4 / 3, 0, math.inf])
    assert parts.pure.tolist() == pytest.approx([9 / 25, 1, 0])
    assert parts.rest_per_length.flatten().tolist() == pytest.approx([0, 0.8, 0, 0, 0, 1])


def test_ratio_is_the_tangent_of_the_angle():
    first, second = random_rows(8, 40, 10), random_rows(9, 40, 10)
    tangent = unit_angles(first, second).deg2rad().tan().abs()
    assert split_by_reference(first, second).ratio.tolist() == pytest.approx(tangent.tolist(), rel=1e-3)


def test_angles_by_hand():
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    second = torch.tensor([[0.0, 2.0], [-3.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    assert unit_angles(first, second).tolist() == pytest.approx([90, 180, 45, 90])
    small = torch.tensor([[1.0, 1e-4]])
    assert float(unit_angles(torch.tensor([[1.0, 0.0]]), small)) == pytest.approx(math.degrees(1e-4), rel=1e-3)


def test_spectrum_by_hand():
    # singular values 2, 1, 1: p = 4/6, 1/6, 1/6
    found = weight_spectrum(torch.diag(torch.tensor([1.0, 2.0, -1.0])))
    entropy = -(4 / 6 * math.log(4 / 6) + 2 / 6 * math.log(1 / 6))
    assert found == pytest.approx((1.5, math.exp(entropy), 2, 4 / 6))
    assert deflated_spectrum(torch.diag(torch.tensor([1.0, 2.0, -1.0]))) == pytest.approx((2, 2, 2, 0.5))
    assert math.isnan(weight_spectrum(torch.zeros(3, 3)).effective_rank)


def test_size_and_density_by_hand():
    change = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    assert relative_size(change, torch.tensor([[1.0, 2.0], [2.0, 1.0]])) == pytest.approx(1)
    assert float(participation(change.flatten())) == pytest.approx(100 / 82)
    assert float(hoyer(change.flatten())) == pytest.approx(2 - 4 / 10**0.5)
    assert entries_with(change) == 0.25  # 9 of 10
    assert entries_with(change, 0.95) == 0.5
    assert float(hoyer(torch.ones(5))) == pytest.approx(0, abs=1e-6)
    assert float(participation(1e-15 * torch.ones(5))) == pytest.approx(5)
    assert math.isnan(entries_with(torch.zeros(2, 2)))
    for seed in range(20):  # nine of ten equal entries carry nine tenths, whatever their last digits
        noise = 1e-7 * torch.randn(10, 10, generator=torch.Generator().manual_seed(seed))
        assert entries_with(1 + noise) == 0.9


def test_shuffling_keeps_the_entries_of_each_unit():
    rows = random_rows(10, 6, 50)
    mixed = shuffled(rows, torch.Generator().manual_seed(0))
    assert torch.equal(mixed.sort(1).values, rows.sort(1).values)
    assert not torch.equal(mixed, rows)
    assert cosines(torch.zeros(1, 50), rows).tolist() == [[0] * 6]
