"""Dropping well fitted samples: by hand, its published thresholds, and its declared cost."""

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.methods import DOM, FGSM, METHODS, NFGSM, PGD
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.stepping import batch, sgd, stepped


def test_dropping_by_hand():
    method = DOM(threshold=1.3, start=0)
    given = batch(size=40, progress=0.9)
    model, record = stepped(method, given, norm=False)
    twin = conv_net(norm=False)
    clean = F.cross_entropy(twin(given.images), given.labels, reduction="none").detach()
    kept = clean >= 1.3
    assert 0 < kept.sum() < 40
    losses = F.cross_entropy(twin(given.images + record.delta), given.labels, reduction="none")
    sgd(twin)(losses[kept].sum() / 40)
    for ours, expected in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)
    assert record.measures["dropped"].item() == pytest.approx(1 - kept.float().mean().item())
    early, _ = stepped(DOM(threshold=1.3, start=0.95), given)
    plain, _ = stepped(FGSM(), given)
    assert torch.equal(early[0].weight, plain[0].weight)


@pytest.mark.parametrize(
    "inner", [FGSM(), FGSM(bn_mode="eval"), PGD(steps=2, random_start=False, bn_mode="eval"), NFGSM()], ids=repr
)
def test_the_clean_loss_is_that_of_training_whatever_the_attack_sees(inner):
    given = batch(size=40, progress=0.9)
    twin = conv_net().train()
    clean = F.cross_entropy(twin(given.images), given.labels, reduction="none").detach()
    twin = conv_net().eval()
    other = F.cross_entropy(twin(given.images), given.labels, reduction="none").detach()
    threshold = clean.quantile(0.4).item()
    assert (clean < threshold).sum() != (other < threshold).sum()
    _, record = stepped(DOM(inner=inner, threshold=threshold, start=0), given)
    assert record.measures["dropped"].item() == pytest.approx((clean < threshold).float().mean().item())


def test_published_thresholds_of_dropping():
    assert DOM()._limit == DOM(inner="n_fgsm")._limit == 2.0
    assert DOM(inner="pgd")._limit == 1.5


@pytest.mark.parametrize(
    "method",
    [
        DOM(),
        DOM(inner=NFGSM()),
        DOM(inner=PGD(steps=3)),
        DOM(inner=PGD(steps=3, random_start=False), start=0),
        DOM(inner=FGSM(bn_mode="eval")),
        DOM(inner=PGD(steps=3, random_start=False, bn_mode="eval")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("trace", [True, False])
def test_declared_passes_are_the_counted_ones(method, trace):
    given = batch(size=12, trace=trace, progress=0.9)
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    cost = method.cost_per_step()
    assert (model.forwards, model.backwards) == (cost.forward, cost.backward)


def test_json_round_trip():
    method = DOM(inner=NFGSM(k=1), threshold=1)
    assert METHODS.parse(METHODS.dump(method)) == method
