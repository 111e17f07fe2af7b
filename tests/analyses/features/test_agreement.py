import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from analyses.features.attributions.agreement import map_cosine, map_rank_correlation, top_overlap
from cotoolkit.core.errors import ConfigError


def random_maps(seed, count=5):
    return torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_a_map_agrees_with_itself_and_its_multiples(seed):
    maps = random_maps(seed)
    ones = pytest.approx(np.ones(5))
    assert map_cosine(maps, 2e-25 * maps).numpy() == ones
    assert map_rank_correlation(maps, 3 * maps).numpy() == ones
    assert top_overlap(maps, -maps).numpy() == ones
    assert map_cosine(maps, -maps).numpy() == pytest.approx(-np.ones(5))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_rank_correlation_is_scipys_with_ties(seed):
    a, b = (random_maps(seed + i).mul(2).round() for i in (0, 1))
    expected = [spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(map_rank_correlation(a, b), expected, atol=1e-12)


def test_independent_maps_are_at_the_null():
    a, b = random_maps(0, 4000), random_maps(1, 4000)
    for score in (map_cosine, map_rank_correlation):
        assert score(a, b).mean().item() == pytest.approx(0, abs=0.01)
        assert score(a, b).std().item() == pytest.approx(1 / 6, rel=0.05)
    assert top_overlap(a, b, 0.25).mean().item() == pytest.approx(0.25, abs=0.01)


def test_top_overlap_by_hand():
    a = torch.tensor([[5.0, -4.0, 1.0, 0.0]])
    b = torch.tensor([[1.0, 9.0, 0.0, -8.0]])
    assert top_overlap(a, b, 0.5).item() == 0.5  # {0, 1} and {1, 3}
    assert top_overlap(a, b, 0.25).item() == 0  # {0} and {1}
    assert top_overlap(a, b, 1).item() == 1


def test_ties_for_the_last_places_share_them_whatever_the_order_of_entries():
    a = torch.tensor([[5.0, 0.0, 0.0, 0.0]])
    b = torch.tensor([[5.0, 0.0, 0.0, 3.0]])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]):
        assert top_overlap(a[:, order], a[:, order], 0.5).item() == pytest.approx(1)
        assert top_overlap(a[:, order], b[:, order], 0.5).item() == pytest.approx((1 + 1 / 3) / 2)
    signs = torch.ones(1, 8)
    assert top_overlap(signs, -signs, 0.25).item() == 1


def test_zero_maps_give_nan():
    a, b = random_maps(0), torch.zeros(5, 1, 6, 6)
    for score in (map_cosine, map_rank_correlation, top_overlap):
        assert score(a, b).isnan().all()


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ConfigError, match="cannot be compared"):
        map_cosine(torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(ConfigError, match=r"share=0"):
        top_overlap(torch.ones(2, 3), torch.ones(2, 3), 0)
