"""Unrelated random weights are at the nulls that the tables print beside the values."""

import numpy as np
import pytest
import torch
from scipy import stats

from analyses.mixtures.statistics.change import (
    RANDOM_ENTRIES,
    RANDOM_PARTICIPATION,
    entries_with,
    participation,
    split_by_reference,
    unit_angles,
)
from analyses.mixtures.statistics.directions import (
    common_direction,
    energy_share,
    random_grams,
    random_same_sign,
    same_sign,
    top_share,
)
from analyses.mixtures.statistics.matching import (
    lineage_cosines,
    matched_cosines,
    matched_null,
    off_diagonal,
    random_angle_quantile,
    random_angles_below,
    random_cosine,
)
from tests._helpers.planted_mixtures import random_rows


@pytest.mark.parametrize("n_in", [9, 27, 144, 576])
def test_cosines_of_random_units(n_in):
    first, second = random_rows(0, 4000, n_in), random_rows(1, 4000, n_in)
    found = lineage_cosines(first, second).abs()
    assert found.mean() == pytest.approx(random_cosine(n_in), abs=4 * float(found.std()) / 4000**0.5)
    assert random_cosine(n_in) == pytest.approx((2 / (np.pi * n_in)) ** 0.5, rel=0.5 / n_in)
    turned = unit_angles(first, second)
    assert turned.mean() == pytest.approx(90, abs=4 * float(turned.std()) / 4000**0.5)
    assert turned.quantile(0.1) == pytest.approx(random_angle_quantile(n_in, 0.1), abs=1)
    assert float((turned < 80).float().mean()) == pytest.approx(random_angles_below(n_in, 80), abs=0.03)


def test_random_cosine_is_the_mean_of_a_beta():
    for n in (2, 5, 100):
        assert random_cosine(n) == pytest.approx(stats.beta(0.5, (n - 1) / 2).expect(np.sqrt), rel=1e-6)


def test_matched_cosines_of_random_units_are_at_their_null():
    first, second = random_rows(2, 60, 100), random_rows(3, 60, 100)
    null = matched_null(first, second, torch.Generator().manual_seed(0), draws=20)
    found = matched_cosines(first, second).mean()
    assert abs(found - null.mean()) < 4 * null.mean(1).std()
    assert found > 2 * random_cosine(100)  # matching alone makes this of unrelated units
    assert off_diagonal(first) == pytest.approx(random_cosine(100), abs=0.005)


def test_top_shares_of_random_units_are_at_their_null():
    grams = random_grams(20, 50, torch.Generator().manual_seed(0), draws=200)
    found = [top_share(random_rows(seed, 20, 50), grams) for seed in range(10, 40)]
    z = [share.z for share in found]
    assert abs(np.mean(z)) < 0.8
    assert np.mean(np.abs(z) < 3) > 0.9


def test_the_null_keeps_the_lengths_of_the_rows():
    rows = random_rows(5, 12, 30) * torch.logspace(-1, 1, 12)[:, None]
    generator = torch.Generator().manual_seed(1)
    found = top_share(rows, random_grams(12, 30, generator, draws=200))
    draws = np.random.default_rng(0).normal(size=(200, 12, 30))
    draws *= rows.norm(dim=1).numpy()[:, None] / np.linalg.norm(draws, axis=2, keepdims=True)
    values = np.linalg.svd(draws, compute_uv=False)
    expected = (values[:, 0] ** 2 / (values**2).sum(1)).mean()
    assert found.null == pytest.approx(expected, rel=0.02)
    own = np.linalg.svd(rows.numpy(), compute_uv=False)
    assert found.share == pytest.approx(own[0] ** 2 / (own**2).sum(), rel=1e-5)


@pytest.mark.parametrize(("n", "n_in"), [(1, 30), (6, 1)])
def test_one_unit_or_one_weight_has_no_z(n, n_in):
    found = top_share(random_rows(6, n, n_in), random_grams(n, n_in, torch.Generator().manual_seed(2)))
    assert found.share == pytest.approx(1)
    assert np.isnan(found.z)


def test_energy_and_side_along_a_random_direction():
    rows, direction = random_rows(6, 5000, 40), common_direction(random_rows(7, 8, 40))
    assert energy_share(rows, direction) == pytest.approx(1 / 40, rel=0.1)
    tosses = np.random.default_rng(0).random((20000, 11)) < 0.5
    expected = np.maximum(tosses.mean(1), 1 - tosses.mean(1)).mean()
    assert random_same_sign(11) == pytest.approx(expected, abs=0.005)
    assert same_sign(rows, direction) == pytest.approx(0.5, abs=0.03)


def test_density_of_a_gaussian_change():
    change = random_rows(8, 300, 300)
    assert float(participation(change.flatten())) / 90000 == pytest.approx(RANDOM_PARTICIPATION, abs=0.01)
    assert entries_with(change) == pytest.approx(RANDOM_ENTRIES, abs=0.005)
    below = stats.chi2(3).ppf(0.1)
    assert pytest.approx(stats.chi2(1).sf(below), abs=1e-4) == RANDOM_ENTRIES


def test_random_units_are_explained_by_one_over_n():
    assert split_by_reference(random_rows(9, 5000, 25), random_rows(10, 5000, 25)).pure.mean() == pytest.approx(
        1 / 25, rel=0.1
    )
