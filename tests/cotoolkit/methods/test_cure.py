"""CURE in its three forms against loops over samples, and in its limits."""

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, Batch, Standard
from cotoolkit.methods.cure import CURE
from tests._helpers.networks import Linear, PassCounter, conv_net
from tests._helpers.slow_losses import (
    clipped,
    loss,
    slope,
    smooth_batch,
    smooth_net,
    stepped_apart,
    uphill,
    weight_gradient,
)
from tests._helpers.stepping import batch, remembering, sgd, stepped


def plain_cure(network, given, *, form, epsilon, norm, weight):
    """The total loss, its error, the perturbations and the gradients there, sample by sample."""
    total, errors, deltas, gradients = 0, [], [], []
    for image, label in zip(given.images, given.labels, strict=True):
        fixed = slope(network, image, label, create_graph=form != "elle")
        deltas.append(clipped(image, epsilon * uphill(fixed.detach(), norm), epsilon, norm))
        gradients.append(slope(network, image + deltas[-1], label, create_graph=True))
        square = (gradients[-1] - fixed).square().sum()
        errors.append(square.sqrt() if form == "code" else square)
        trained_on = image + deltas[-1] if form == "elle" else image
        total = total + loss(network, trained_on, label) / len(given.images)
    error = sum(errors) / len(errors)
    return total + weight * error, error, torch.stack(deltas), torch.stack(gradients).detach()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", ["elle", "paper", "code"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_cure_against_loops_over_samples(seed, form, norm):
    network, given = smooth_net(seed), smooth_batch(seed, norm, 0.4)
    method = CURE(form=form, weight=2.0, schedule="constant")
    found, record, _ = stepped_apart(method, network, given)
    total, error, deltas, gradients = plain_cure(network, given, form=form, epsilon=0.4, norm=norm, weight=2.0)
    torch.testing.assert_close(record.delta, deltas, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(record.update_gradient, gradients, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(record.measures["error"].double(), error.detach(), atol=1e-8, rtol=1e-3)
    torch.testing.assert_close(found, weight_gradient(total, network), atol=1e-5, rtol=1e-3)


def test_the_change_of_a_logistic_gradient_by_hand():
    # The loss of label 1 is log(1 + exp(-s)), s = w x; its slope is -w / (1 + exp(s)). FGSM goes from 0.5 to 0.4.
    model = Linear(torch.tensor([2.0]))
    given = Batch(torch.full((1, 1, 1, 1), 0.5), torch.ones(1, dtype=torch.int64), ThreatModel(0.1), torch.Generator())
    before, after = (-2 / (1 + torch.tensor(2 * x).exp()) for x in (0.5, 0.4))
    for form, power in (("elle", 2), ("paper", 2), ("code", 1)):
        record = CURE(form=form, weight=0.0, schedule="constant").step(model, given, sgd(model, rate=0.0))
        assert record.delta.item() == pytest.approx(-0.1)
        assert record.measures["error"].item() == pytest.approx(abs(after - before).item() ** power, rel=1e-4)


def test_without_weight_it_is_fgsm_or_clean_training():
    theirs, other = stepped(FGSM(), batch())
    for method in (CURE(), CURE(weight=0, schedule="constant")):
        ours, record = stepped(method, batch())
        assert torch.equal(record.delta, other.delta)
        torch.testing.assert_close(record.update_gradient, other.update_gradient)
        for first, second in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            assert torch.equal(first, second)
    clean, _ = stepped(Standard(), batch())
    for form in ("paper", "code"):
        ours, _ = stepped(CURE(form=form, weight=0), batch())
        for first, second in zip(ours.state_dict().values(), clean.state_dict().values(), strict=True):
            torch.testing.assert_close(first, second, atol=1e-7, rtol=1e-6)


def test_published_weights_and_schedules():
    def used(level, **fields):
        return stepped(CURE(**fields), batch(ThreatModel(level / 255)))[1].measures["weight"].item()

    assert used(8, schedule="constant") == pytest.approx(1000 / 128**2)
    assert used(16, schedule="constant") == pytest.approx(50000 / 128**2)
    assert used(16) == 0  # asleep
    assert used(8, form="paper") == used(8, form="code") == 4
    assert used(8, form="code", schedule="adaptive") == 0
    method, model = CURE(), conv_net()
    given = remembering(method, model, batch(ThreatModel("8/255")))
    given.memory["switch/seen"] += 10  # of errors that were all 0
    weights = [method.step(model, given, sgd(model)).measures["weight"].item() for _ in range(2)]
    assert weights == pytest.approx([0, 1000 / 128**2])


def test_soft_targets_are_trained_on_and_labels_attacked():
    given = batch()
    soft = torch.full((6, 4), 0.25)
    targets = type(given)(**{**vars(given), "targets": soft})
    (_, hard), (model, other) = (stepped(CURE(weight=0, schedule="constant"), one) for one in (given, targets))
    assert torch.equal(hard.delta, other.delta)
    trained = conv_net()
    loss = -(soft * trained(given.images + other.delta).log_softmax(1)).sum(1).mean()
    sgd(trained)(loss)
    for ours, theirs in zip(model.parameters(), trained.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert torch.equal(hard.losses, other.losses)  # those that the attack raised


@pytest.mark.parametrize("form", ["elle", "paper", "code"])
def test_declared_passes_refusals_and_round_trip(form):
    method = CURE(form=form, weight=3, schedule="constant", alpha=0.02)
    model = PassCounter(conv_net(), 6)
    record = method.step(model, batch(), sgd(model))
    cost = method.cost_per_step()
    assert (model.forwards, model.backwards) == (cost.forward, cost.backward)
    assert model.network[1].num_batches_tracked == 1  # by the images that are trained on
    assert record.delta.abs().max() <= 0.02 + 1e-7
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="form"):
        METHODS.parse({"name": "cure", "form": "authors"})
