import pytest
import torch

from cotoolkit.methods._weighting import tilts
from cotoolkit.methods._weighting.worst_case import effective_share, worst_case

LOSSES = torch.tensor([0.3, 2.0, 1.0, 0.1, 0.7, 4.0])


WEIGHTS = worst_case(LOSSES, 0.2).folded(LOSSES)


def test_tilts_by_hand():
    keys = torch.tensor([0.5, 0.1, 0.9, 0.3, 0.7, 0.2])
    assert torch.equal(tilts.permuted(WEIGHTS, keys), WEIGHTS[[1, 5, 3, 0, 4, 2]])
    turned = tilts.inverse(WEIGHTS, LOSSES)
    assert torch.equal(turned.sort().values, WEIGHTS.sort().values)
    assert turned.argsort().tolist() == LOSSES.argsort(descending=True).tolist()
    assert tilts.drop_lowest(LOSSES, 1 / 3).tolist() == pytest.approx([0, 0.25, 0.25, 0, 0.25, 0.25])
    assert tilts.trim_highest(LOSSES, 0.25).tolist() == pytest.approx([2 / 9, 1 / 9, 2 / 9, 2 / 9, 2 / 9, 0])
    assert tilts.uniform(LOSSES).tolist() == [1 / 6] * 6
    some = tilts.subset(torch.tensor([0.5, 0.5, 0, 0, 0, 0]), keys)
    assert some.tolist() == [0, 0.5, 0, 0, 0, 0.5]


def test_tilts_of_ties_keep_the_order_of_the_samples():
    weights = torch.arange(5000, dtype=torch.float64)
    equal = torch.zeros(5000)
    assert torch.equal(tilts.permuted(weights, equal), weights)
    assert torch.equal(tilts.inverse(weights, equal), weights.flip(0))
    some = tilts.subset(torch.ones(5000) * (torch.arange(5000) < 10), equal)
    assert some.nonzero().flatten().tolist() == list(range(10))


@pytest.mark.parametrize("r", [0.01, 0.2, 0.8])
def test_other_tilts_match_the_effective_sample_size(r):
    losses = torch.rand(200, generator=torch.Generator().manual_seed(0))
    weights = worst_case(losses, r).folded(losses)
    target = effective_share(weights).item()
    exponential, cvar = tilts.exponential(losses, weights), tilts.cvar(losses, weights)
    assert effective_share(exponential).item() == pytest.approx(target, rel=1e-6)
    assert torch.diff((exponential.log())[losses.argsort()]).min() >= 0
    assert effective_share(cvar).item() == pytest.approx(target, abs=1 / 200)
    assert set((cvar > 0)[losses.argsort()].long().diff().tolist()) == {0, 1}
    assert effective_share(tilts.subset(weights, torch.rand(200))).item() == pytest.approx(target, abs=0.5 / 200)
    for tilted in (exponential, cvar):
        assert tilted.sum().item() == pytest.approx(1)


def test_exponential_weights_of_ties_are_uniform_on_them():
    losses = torch.tensor([1.0, 1.0, 0.0])
    assert tilts.exponential(losses, torch.tensor([1.0, 0, 0])).tolist() == pytest.approx([0.5, 0.5, 0])
    assert tilts.exponential(torch.ones(4), torch.tensor([1.0, 0, 0, 0])).tolist() == pytest.approx([0.25] * 4)
