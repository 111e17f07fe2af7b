"""MultiGrad against its formula sample by sample, by hand, and with one start."""

import dataclasses

import pytest
import torch

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS
from cotoolkit.methods.multigrad import MultiGrad
from tests._helpers.networks import Linear, PassCounter, conv_net
from tests._helpers.slow_attacks import (
    EPSILON,
    attempt,
    slow_attack_gradients,
    slow_losses,
    slow_projection,
    slow_start,
    slow_steepest,
    smooth_batch,
    smooth_net,
    weight_gradient,
)
from tests._helpers.stepping import batch, sgd


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("samples", "agreeing"), [(3, None), (5, 4), (4, 3), (1, None)])
def test_a_step_against_the_formula_sample_by_sample(seed, samples, agreeing):
    model, given = smooth_net(seed), smooth_batch(seed, epsilon=0.6)
    record, taken, _ = attempt(MultiGrad(samples=samples, agreeing=agreeing), model, given)

    draws = torch.Generator().manual_seed(seed)
    signs = []
    for _ in range(samples):
        start = slow_projection(given.images, slow_start(given.images, 0.6, "linf", draws), 0.6)
        signs.append(slow_steepest(slow_attack_gradients(model, given.images + start, given.labels), "linf"))
    delta = torch.zeros_like(given.images)
    for position in torch.cartesian_prod(*(torch.arange(n) for n in delta.shape)).tolist():
        votes = [sign[tuple(position)].item() for sign in signs]
        for sign in (-1, 1):
            if votes.count(sign) >= (agreeing or samples):
                delta[tuple(position)] = 2 * 0.6 * sign
    if samples > 1:
        assert 0 < (delta == 0).sum() < delta.numel()
    delta = slow_projection(given.images, delta, 0.6)
    torch.testing.assert_close(record.delta, delta, atol=1e-6, rtol=0)
    expected = weight_gradient(slow_losses(model, given.images + delta, given.labels).mean(), model)
    torch.testing.assert_close(taken, expected, atol=1e-5, rtol=1e-4)


def test_of_a_linear_network_it_is_fgsm():
    # Its gradient has the same signs everywhere, so that all starts agree.
    model = Linear(torch.tensor([[[1.0, -3.0], [2.0, -0.5]]]))
    given = batch()
    given = given.__class__(torch.full((1, 1, 2, 2), 0.5), torch.tensor([0]), given.threat, given.generator)
    delta = MultiGrad(samples=4).attack(model, given).delta
    assert torch.equal(delta, given.threat.epsilon * torch.tensor([[[[1.0, -1.0], [1.0, -1.0]]]]))


def test_starts_without_a_gradient_do_not_agree():
    """Two of three starts are asked to agree: where only one has a gradient nothing moves, where two have, it does."""

    class Somewhere(torch.nn.Module):
        def __init__(self, where):
            super().__init__()
            self.where, self.asked = where, 0

        def forward(self, images):
            self.asked += 1
            score = images.flatten(1).sum(1) * (1.0 if self.asked in self.where else 0.0)
            return torch.stack([torch.zeros_like(score), score], 1)

    given = batch(size=2)
    given = dataclasses.replace(given, labels=torch.zeros(2, dtype=torch.int64), images=torch.full((2, 1, 6, 6), 0.5))
    for where, moves in (((1,), False), ((1, 3), True)):
        delta = MultiGrad(samples=3, agreeing=2).attack(Somewhere(where), given).delta
        assert bool(delta.all()) is bool(delta.any()) is moves


def test_refusals():
    with pytest.raises(ConfigError, match="multigrad has no l2 form"):
        RunConfig.parse({"method": "multigrad", "norm": "l2", "epsilon": EPSILON})
    assert RunConfig.parse({"method": "multigrad"}).method == MultiGrad()
    for agreeing in (2, 5):
        with pytest.raises(InvalidFields, match="more than half of the 4 samples, and at most all"):
            MultiGrad(samples=4, agreeing=agreeing)
    with pytest.raises(InvalidFields, match="greater than or equal to 1"):
        MultiGrad(samples=0)


@pytest.mark.parametrize("method", [MultiGrad(samples=1), MultiGrad(samples=5, agreeing=3, alpha=0.1, bn_mode="eval")])
def test_cost_and_settings(method):
    assert METHODS.parse(METHODS.dump(method)) == method
    given = batch()
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
    assert model.network[1].num_batches_tracked == 1
