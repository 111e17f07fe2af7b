import math

import pytest
import torch

from analyses.purification.synthetic_world.synthetic_data import SMALL_SPREAD, SparseCoding, SyntheticWorld, generators
from cotoolkit.core.errors import ConfigError


def draw(coding, n, seeds=(0, 1), position=0):
    world = SyntheticWorld.draw(coding, seeds)
    return world, world.sample(n, generators(seeds, "order", position))


def test_the_dictionary_is_orthonormal_and_the_dense_direction_a_unit_vector():
    world = SyntheticWorld.draw(SparseCoding(48, 6), range(3))
    torch.testing.assert_close(
        world.dictionary.mT @ world.dictionary, torch.eye(48).expand(3, -1, -1), atol=1e-5, rtol=0
    )
    expected = torch.einsum("sdj,sj->sd", world.dictionary, world.signs) / math.sqrt(48)
    torch.testing.assert_close(world.dense_direction, expected)
    torch.testing.assert_close(world.dense_direction.norm(dim=-1), torch.ones(3))


def test_hidden_values_have_the_stated_sizes_at_the_stated_rates():
    coding = SparseCoding(60, 7, c1=1.5)
    z = coding.hidden(20_000, torch.Generator().manual_seed(3))
    size = z.abs()
    low, high = 1 / math.sqrt(7), (1 + SMALL_SPREAD) / math.sqrt(7)
    small = (size >= low - 1e-6) & (size <= high + 1e-6)
    assert ((size == 0) | (size == 1) | small).all()
    for found, rate in ((size == 1, 1.5 / 60), (small, 7 / 60)):
        assert found.float().mean().item() == pytest.approx(rate, abs=5 * math.sqrt(rate / z.numel()))
    assert size[small].mean().item() == pytest.approx((low + high) / 2, rel=0.01)
    assert z.sum().item() == pytest.approx(0, abs=5 * math.sqrt(z.square().sum().item()))


def test_entries_are_active_independently():
    # 20 000 rows of 60: no place and no neighbour is favoured by how the gaps between entries are drawn.
    z = SparseCoding(60, 7).hidden(20_000, torch.Generator().manual_seed(4)) != 0
    rate = 7.5 / 60
    error = 5 * math.sqrt(rate / 20_000)
    assert (z.float().mean(0) - rate).abs().max() < error
    pairs = (z[:, 1:] & z[:, :-1]).float().mean()
    assert pairs.item() == pytest.approx(rate**2, rel=0.05)
    count = z.sum(-1).float()
    assert count.var().item() == pytest.approx(60 * rate * (1 - rate), rel=0.06)


def test_labels_keep_their_margin():
    coding = SparseCoding(64, 7)
    world, batch = draw(coding, 4000)
    score = torch.einsum("snj,sj->sn", batch.z, world.signs)
    assert (score.abs() > 0.5 / math.sqrt(7)).all()
    assert torch.equal(batch.y, score.sign())
    assert batch.y.mean().abs() < 0.06


def test_noise_is_gaussian_of_the_stated_size():
    coding = SparseCoding(64, 7, sigma_x=0.8)
    world, batch = draw(coding, 4000)
    noise = batch.x - batch.z @ world.dictionary.mT
    assert noise.square().sum(-1).mean().item() == pytest.approx(0.64, rel=0.01)
    assert ((noise / 0.1) ** 4).mean().item() == pytest.approx(3, rel=0.05)


def test_spikes_are_rare_and_of_one_size():
    coding = SparseCoding(64, 7, sigma_x=0.0, spikes=0.5)
    world, batch = draw(coding, 4000)
    spikes = batch.x @ world.dictionary - batch.z
    sizes = spikes.abs()
    assert (torch.minimum(sizes, (sizes - coding.spike_size).abs()) < 1e-5).all()
    assert spikes.square().sum(-1).mean().item() == pytest.approx(0.25, rel=0.05)


def test_a_seed_draws_the_same_whatever_runs_beside_it():
    coding = SparseCoding(32, 5)
    alone_world, alone = draw(coding, 50, seeds=(7,))
    world, batch = draw(coding, 50, seeds=(3, 7, 8))
    assert torch.equal(alone_world.dictionary[0], world.dictionary[1])
    assert torch.equal(alone.z[0], batch.z[1])
    torch.testing.assert_close(alone.x[0], batch.x[1])
    assert not torch.equal(batch.z[0], batch.z[1])
    _, other = draw(coding, 50, seeds=(7,), position=1)
    assert not torch.equal(alone.z, other.z)


@pytest.mark.parametrize(
    "wrong", [{"d": 1}, {"k": 0}, {"sigma_x": -1.0}, {"k": 40}, {"c1": 0.0, "c2": 0.0}, {"spikes": 9.0}]
)
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(ConfigError):
        SparseCoding(**{"d": 32, "k": 5, **wrong})
