"""Label smoothing around any method: a loop over samples and classes, its limit, and whom it leaves alone."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, NFGSM, TRADES
from cotoolkit.methods.label_smoothing import LabelSmoothing
from tests._helpers.networks import conv_net
from tests._helpers.stepping import batch, sgd


def stepped(method, given):
    model = conv_net(norm=False)
    return model, method.step(model, given, sgd(model))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("spread", ["even", "all"])
def test_a_step_is_that_of_a_loop_over_samples_and_classes(seed, spread):
    given = batch(seed=seed)
    model, record = stepped(LabelSmoothing(smoothing=0.3, spread=spread), given)
    twin = conv_net(norm=False).double()
    total = torch.zeros((), dtype=torch.float64)
    for image, label in zip((given.images + record.delta).double(), given.labels, strict=True):
        log_shares = F.log_softmax(twin(image[None])[0], 0)
        for place in range(4):
            own = 0.7 + 0.3 / 4 if spread == "all" else 0.7
            share = own if place == label else (0.3 / 4 if spread == "all" else 0.1)
            total = total - share * log_shares[place] / len(given.labels)
    gradients = torch.autograd.grad(total, list(twin.parameters()))
    hard = F.cross_entropy(twin((given.images + record.delta).double()), given.labels, reduction="none")
    torch.testing.assert_close(record.losses.double(), hard.detach(), atol=1e-6, rtol=1e-5)  # what the attack raised
    for ours, before, gradient in zip(model.parameters(), twin.parameters(), gradients, strict=True):
        torch.testing.assert_close(ours.double(), before - 0.1 * gradient, atol=1e-6, rtol=1e-4)


def test_the_attack_goes_by_labels():
    plain = stepped(FGSM(), batch())[1]
    assert torch.equal(stepped(LabelSmoothing(), batch())[1].delta, plain.delta)


@pytest.mark.parametrize("inner", [FGSM(), NFGSM(), TRADES(steps=1)], ids=repr)
def test_without_smoothing_it_is_the_inner_method(inner):
    ours, _ = stepped(LabelSmoothing(inner=inner, smoothing=0), batch())
    theirs, _ = stepped(inner, batch())
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-6)


def test_random_shares_follow_the_generator():
    def weight(seed):
        given = dataclasses.replace(batch(), generator=torch.Generator().manual_seed(seed))
        return stepped(LabelSmoothing(spread="random"), given)[0][0].weight

    assert torch.equal(weight(0), weight(0))
    assert not torch.equal(weight(0), weight(1))


def test_json_round_trip_and_refusals():
    method = LabelSmoothing(inner="trades", smoothing=0.1, spread="random")
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(ConfigError, match="does not say how many classes there are"):
        stepped(method, dataclasses.replace(batch(), classes=None))
    with pytest.raises(InvalidFields, match="label_smoothing stands around label_smoothing"):
        LabelSmoothing(inner=LabelSmoothing())
    with pytest.raises(InvalidFields, match="less than or equal to 1"):
        LabelSmoothing(smoothing=1.5)
