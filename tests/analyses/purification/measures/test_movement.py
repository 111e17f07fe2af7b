import numpy as np
import pytest
import torch

from analyses.purification.measures.movement import (
    dense_spectrum,
    initial_statistics,
    kept_and_removed,
    movement_statistics,
    purification_ratio,
    turning_angles,
)
from tests._helpers.planted_world import planted


def pair(seed, shape=(2, 9, 6)):
    random = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=random, dtype=torch.float64) for _ in range(2))


def test_parts_add_up_and_are_orthogonal():
    old, new = pair(0)
    beta, removed = kept_and_removed(old, new)
    torch.testing.assert_close(beta[..., None] * new + removed, old)
    torch.testing.assert_close((removed * new).sum(-1), torch.zeros(2, 9, dtype=torch.float64), atol=1e-12, rtol=0)


def test_the_ratio_is_the_tangent_of_the_angle():
    old, new = pair(1)
    expected = torch.tan(torch.deg2rad(turning_angles(old, new))).abs()
    torch.testing.assert_close(purification_ratio(old, new), expected)


def test_angles_by_hand():
    a = torch.tensor([[1.0, 0], [1, 0], [1, 0]])
    b = torch.tensor([[2.0, 0], [0, 3], [-1, 0]])
    assert turning_angles(a, b).tolist() == pytest.approx([0, 90, 180], abs=0.05)


def test_spectrum_is_that_of_numpy():
    world, _, _ = planted(1, 0, d=24)
    matrices = torch.randn(2, 50, 24, generator=torch.Generator().manual_seed(3))
    found = dense_spectrum(matrices, world)
    for seed in range(2):
        _, sigma, right = np.linalg.svd(matrices[seed].double().numpy())
        shares = sigma**2 / (sigma**2).sum()
        assert found.top_share[seed].item() == pytest.approx(shares[0])
        assert found.rank[seed].item() == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
        assert found.dense_cosine[seed].item() == pytest.approx(
            abs(right[0] @ world.dense_direction[seed].numpy()), abs=1e-6
        )


def test_the_null_share_is_that_of_a_random_matrix():
    world, _, _ = planted(1, 0, d=100, seeds=2)
    found = dense_spectrum(torch.randn(2, 400, 100, generator=torch.Generator().manual_seed(3)), world)
    torch.testing.assert_close(found.top_share, found.null_share, rtol=0.06, atol=0)


def test_a_planted_purification_is_of_rank_one_and_dense():
    world, clean, _ = planted(1.5, 0.15)
    _, pure, _ = planted(1.8, 0.0)
    found = movement_statistics(clean, pure, torch.ones(clean.shape[:2], dtype=torch.bool), world)
    # r_i has the length alpha eps sqrt(d - 1) and is orthogonal to M_j: q = eps sqrt(23)
    assert found["ratio_median"].tolist() == pytest.approx([0.15 * 23**0.5] * 2, rel=1e-4)
    assert found["angle_clean"].tolist() == pytest.approx([np.rad2deg(np.arctan(0.15 * 23**0.5))] * 2, rel=1e-4)
    assert found["within_45"].tolist() == [1, 1]
    assert found["within_30"].tolist() == [0, 0]
    assert (found["removed_cosine"] > 0.999).all()
    assert (found["removed_top_share"] > 0.9).all()


def test_only_chosen_units_count():
    old, new = pair(5)
    alive = torch.zeros(2, 9, dtype=torch.bool)
    alive[:, 4] = True
    found = initial_statistics(old, new, alive)
    torch.testing.assert_close(found["angle_initial"], turning_angles(old, new)[:, 4])
