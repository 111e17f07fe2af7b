"""AAER against its formula sample by sample, where it has a gradient, and its published weights."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS, NFGSM, Batch
from cotoolkit.methods.aaer import AAER
from cotoolkit.methods.rs_fgsm import RSFGSM
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.slow_attacks import (
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
from tests._helpers.stepping import batch, sgd, stepped


class Sine(torch.nn.Module):
    """Bends more than a step is long."""

    def forward(self, values):
        return torch.sin(4 * values)


def mean_change(first, second):
    return torch.stack([((a - b) ** 2).sum() for a, b in zip(first, second, strict=True)]).mean()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("start", ["rs", "n"])
@pytest.mark.parametrize("fall", ["constant", "trained"])
def test_a_step_against_the_formula_sample_by_sample(seed, start, fall):
    model, epsilon = smooth_net(seed), 0.4
    model[2] = Sine()
    given = smooth_batch(seed, size=40, epsilon=epsilon)
    images, labels = given.images, given.labels
    record, taken, _ = attempt(AAER(start, lambda1=0.8, lambda2=2.0, lambda3=0.7, fall=fall), model, given)

    k, step, reach = (1, 1.25 * epsilon, epsilon) if start == "rs" else (2, epsilon, 3 * epsilon)
    noise = slow_start(images, k * epsilon, "linf", torch.Generator().manual_seed(seed))
    noise = slow_projection(images, noise, k * epsilon)
    directions = slow_steepest(slow_attack_gradients(model, images + noise, labels), "linf")
    delta = slow_projection(images, noise + step * directions, reach)
    torch.testing.assert_close(record.delta, delta, atol=1e-6, rtol=0)

    before, after = (slow_losses(model, images + moved, labels) for moved in (noise, delta))
    logits = model(images + noise).detach(), model(images + delta)
    abnormal = [i for i in range(40) if before[i] > after[i]]
    normal = [i for i in range(40) if i not in abnormal]
    assert 2 <= len(abnormal) <= 38
    falls = torch.stack([before[i].detach() - after[i] for i in abnormal]).mean()
    changes = mean_change(logits[0][abnormal], logits[1][abnormal]), mean_change(logits[0][normal], logits[1][normal])
    regulariser = 2.0 * (falls.detach() if fall == "constant" else falls)
    regulariser = regulariser + 0.7 * torch.relu(changes[0] - changes[1].detach())
    loss = after.mean() + 0.8 * len(abnormal) / 40 * regulariser
    torch.testing.assert_close(taken, weight_gradient(loss, model), atol=2e-5, rtol=1e-4)
    measured = {name: value.item() for name, value in record.measures.items()}
    assert measured == pytest.approx(
        {
            "abnormal": len(abnormal) / 40,
            "abnormal_fall": falls.item(),
            "abnormal_change": changes[0].item(),
            "normal_change": changes[1].item(),
        },
        rel=1e-4,
    )


def test_the_published_weights():
    assert AAER()._weights(8 / 255) == (1.5, 0.15)
    assert AAER("rs")._weights(8 / 255) == (2.5, 1.5)
    assert AAER("rs")._weights(12 / 255) == (5.0, 2.75)
    assert AAER("n")._weights(ThreatModel("16/255").epsilon) == (8.5, 1.5)
    assert AAER("n")._weights(1.0) == (2.75, 0.75)
    assert AAER("n")._weights(10 / 255) == pytest.approx((3.25, 0.35))
    assert AAER("n", lambda2=7)._weights(8 / 255) == (7.0, 0.15)


@pytest.mark.parametrize(("start", "inner"), [("n", NFGSM()), ("rs", RSFGSM())])
def test_without_weights_or_without_abnormal_samples_it_is_its_attack_alone(start, inner):
    given = batch()
    expected, record = stepped(inner, given)
    for method in (AAER(start, lambda1=0), AAER(start)):
        again = dataclasses.replace(given, generator=batch().generator)
        ours, found = stepped(method, again)
        assert found.measures["abnormal"] == 0
        assert found.measures["abnormal_fall"].isnan()
        assert torch.equal(found.delta, record.delta)
        for one, other in zip(ours.parameters(), expected.parameters(), strict=True):
            assert torch.equal(one, other)


def test_by_hand():
    """Score |x - 0.5|: a step that lowers it overshoots, and comes out higher on the other side."""

    class Folded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(1.0))

        def forward(self, images):
            score = self.scale * (images.flatten(1)[:, 0] - 0.5).abs()
            return torch.stack([torch.zeros_like(score), score], 1)

    images, labels = torch.tensor([0.55, 0.9]).view(2, 1, 1, 1), torch.tensor([1, 0])
    given = Batch(images, labels, ThreatModel(0.3, box="none"), torch.Generator().manual_seed(0))
    noise = 0.3 * (2 * torch.rand(2, generator=torch.Generator().manual_seed(0)) - 1)
    starts = images.flatten() + noise  # at the first the label's score falls towards 0.5, at the second it rises away
    ends = starts[0] - 0.375 * torch.sign(starts[0] - 0.5), images[1].flatten() + 0.3
    ends = ends[0].clamp(0.25, 0.85), ends[1]
    before, after = (starts - 0.5).abs(), torch.stack([ends[0], ends[1][0]]).sub(0.5).abs()
    assert after[0] > before[0]
    record = AAER("rs", lambda2=1, lambda3=1).step(Folded(), given, lambda loss: None)
    fall = F.softplus(-before[0]) - F.softplus(-after[0])
    measured = {name: value.item() for name, value in record.measures.items()}
    changes = (after - before).square().tolist()
    expected = {
        "abnormal": 0.5,
        "abnormal_fall": fall.item(),
        "abnormal_change": changes[0],
        "normal_change": changes[1],
    }
    assert measured == pytest.approx(expected, rel=1e-5)


def test_soft_targets_train_and_labels_tell_what_is_abnormal():
    given = batch()
    soft = dataclasses.replace(given, targets=torch.full((6, 4), 0.25), generator=batch().generator)
    (hard_model, hard), (soft_model, found) = stepped(AAER(lambda1=0), given), stepped(AAER(lambda1=0), soft)
    assert torch.equal(hard.measures["abnormal"], found.measures["abnormal"])
    assert not torch.equal(hard_model[0].weight, soft_model[0].weight)


def test_cost_and_settings():
    method = AAER("rs", lambda1=2, lambda2=0, lambda3=1, fall="trained", bn_mode="eval")
    assert METHODS.parse(METHODS.dump(method)) == method
    assert not AAER.bf16
    with pytest.raises(InvalidFields, match="start"):
        AAER("plain")
    given = batch()
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
