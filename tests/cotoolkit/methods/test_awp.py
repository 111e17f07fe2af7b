"""Adversarial weight perturbation: against a slow reference and by hand, undone to the bit, around any method."""

import copy

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, NFGSM, PGD, TRADES, Batch, GradAlign, Standard
from cotoolkit.methods.awp import AWP, _moved, weight_gradients
from cotoolkit.methods.ema import EMA
from cotoolkit.methods.label_smoothing import LabelSmoothing
from cotoolkit.models.modes import attack_mode
from tests._helpers.networks import Linear, PassCounter, conv_net
from tests._helpers.stepping import batch, remembering, sgd

RATE = 0.1


def one_by_one(network, attacked, labels):
    """Gradients of the mean loss, a sample at a time."""
    total = [torch.zeros_like(parameter) for parameter in network.parameters()]
    for image, label in zip(attacked, labels, strict=True):
        loss = F.cross_entropy(network(image), label[None]) / len(labels)
        for number, gradient in enumerate(torch.autograd.grad(loss, list(network.parameters()))):
            total[number] += gradient
    return total


def reference(images, labels, attack, gamma, *, again):
    """The network after one step, in float64; `again`: the moved weights are attacked anew."""
    network = conv_net(norm=False).double()

    def attacked():
        return [attack(network, image[None], label[None]) for image, label in zip(images, labels, strict=True)]

    first = attacked()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    gradients = one_by_one(network, first, labels)
    with torch.no_grad():
        for weight, gradient in zip(network.parameters(), gradients, strict=True):
            if weight.ndim > 1:
                weight.add_(gamma * weight.norm() / gradient.norm() * gradient)
    there = one_by_one(network, attacked() if again else first, labels)
    return [weight - RATE * gradient for weight, gradient in zip(before, there, strict=True)]


def sign_step(network, image, label):
    image = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(network(image), label), image)
    assert gradient.abs().min() > 1e-6  # no sign is left to round-off
    return (image.detach() + 16 / 255 * gradient.sign()).clamp(0, 1).detach()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("inner", "attack", "again"),
    [
        (FGSM(), sign_step, False),
        (LabelSmoothing(smoothing=0), sign_step, True),
        (Standard(), lambda network, image, label: image, False),
    ],
    ids=["an attack", "a step around it", "a step"],
)
def test_a_step_is_that_of_a_slow_reference(seed, inner, attack, again):
    given = batch(seed=seed)
    model = conv_net(norm=False)
    AWP(inner=inner, gamma=0.05).step(model, given, sgd(model, RATE))
    expected = reference(given.images.double(), given.labels, attack, 0.05, again=again)
    for ours, theirs in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=1e-6, rtol=1e-4)
    still = conv_net(norm=False)
    inner.step(still, batch(seed=seed), sgd(still, RATE))
    assert not torch.allclose(still[0].weight, model[0].weight, atol=1e-6)


def test_a_step_by_hand():
    # One image (0.5, 0.5, 0.5, 0.5) of label 1, weights (3, 0, 0, 4) of norm 5. FGSM steps to 0.5 - 0.1 sign(w).
    model = Linear(torch.tensor([[[[3.0, 0.0], [0.0, 4.0]]]]))
    images, labels = torch.full((1, 1, 2, 2), 0.5), torch.tensor([1])
    AWP(gamma=0.2).step(model, Batch(images, labels, ThreatModel(0.1), torch.Generator()), sgd(model, 1.0))
    attacked = torch.tensor([0.4, 0.5, 0.5, 0.4])
    # The gradient is along -attacked, so the weights move by -0.2 * 5 * attacked / |attacked|, and the score falls by
    # |attacked|; the update is sigma(-score) * attacked.
    score = 0.4 * 3 + 0.4 * 4 - attacked.norm()
    expected = torch.tensor([3.0, 0.0, 0.0, 4.0]) + torch.sigmoid(-score) * attacked
    torch.testing.assert_close(model.weight.detach().flatten(), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "inner", [FGSM(), NFGSM(), PGD(steps=2), TRADES(steps=2), GradAlign(weight=0.1), EMA(), LabelSmoothing()], ids=repr
)
def test_without_a_move_it_is_the_inner_method_bit_for_bit(inner):
    def trained(method):
        model = conv_net()
        model[3].p = 0.5  # dropout draws from the global generator
        given = remembering(method, model, batch())
        torch.manual_seed(7)
        for _ in range(2):
            method.step(model, given, sgd(model))
        return {**model.state_dict(), **given.memory}

    ours, theirs = trained(AWP(inner=inner, gamma=0)), trained(inner)
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.mark.parametrize("inner", [FGSM(), TRADES(steps=1), EMA()], ids=repr)
def test_the_move_is_undone_bit_for_bit(inner):
    model = conv_net()
    given = remembering(inner, model, batch())
    start = [parameter.detach().clone() for parameter in model.parameters()]

    def update(loss):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(0.3)

    AWP(inner=inner, gamma=0.5).step(model, given, update)
    assert all(torch.equal(now, before - 0.3) for now, before in zip(model.parameters(), start, strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_failing_step_leaves_the_weights_as_they_were():
    model = conv_net()
    start = copy.deepcopy(model.state_dict())

    def update(loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        AWP(inner=Standard()).step(model, batch(), update)
    assert all(torch.equal(tensor, start[name]) for name, tensor in model.named_parameters())


@pytest.mark.parametrize("inner", [FGSM(), Standard()], ids=repr)
def test_batchnorm_moves_once_by_the_trained_images_at_the_moved_weights(inner):
    model, twin, given = conv_net(), conv_net().train(), batch()
    method = AWP(inner=inner, gamma=0.1)
    record = method.step(model, given, sgd(model))
    trained = given.images if record.delta is None else given.images + record.delta
    with attack_mode(twin, "train"):
        gradients = weight_gradients(twin, F.cross_entropy(twin(trained), given.labels))
    moves = method._moves(twin, gradients)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            parameter.add_(moves.get(name, 0))
    twin(trained)
    assert model[1].num_batches_tracked == 1
    torch.testing.assert_close(model[1].running_mean, twin[1].running_mean)
    torch.testing.assert_close(model[1].running_var, twin[1].running_var)


def test_every_update_of_a_step_but_the_last_one_moves_again():
    model = Linear(torch.tensor([[[[1.0, 2.0]]]]))
    moves = {"weight": torch.full((1, 1, 1, 2), 0.5)}
    seen = []

    def update(loss):
        (gradient,) = torch.autograd.grad(loss, model.weight)
        seen.append(gradient.clone())
        with torch.no_grad():
            model.weight -= gradient

    with _moved(model, moves, update, 2) as moved_update:
        for _ in range(2):
            moved_update(model.weight.square().sum() / 2)  # its gradient says where the weights are
    assert seen[0].flatten().tolist() == [1.5, 2.5]
    # From (1, 2) - (1.5, 2.5) = (-0.5, -0.5), moved to 0.
    assert seen[1].flatten().tolist() == [0, 0]
    assert model.weight.flatten().tolist() == [-0.5, -0.5]


def test_the_average_of_an_inner_method_sees_weights_that_are_back():
    model = conv_net()
    method = AWP(inner=EMA(warmup=False, decay=0.0), gamma=0.5)
    given = remembering(method, model, batch())
    method.step(model, given, sgd(model))
    assert all(torch.equal(given.memory[f"average/{name}"], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "method",
    [
        AWP(inner=PGD(steps=2)),
        AWP(inner=TRADES(steps=2)),
        AWP(inner=GradAlign(weight=0.1)),
        AWP(inner=LabelSmoothing(inner=NFGSM())),
        LabelSmoothing(inner=AWP(inner=NFGSM())),
        AWP(start=0.5),
    ],
    ids=repr,
)
def test_declared_passes_are_the_counted_ones(method):
    given = batch(progress=0.9)
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    cost = method.cost_per_step()
    assert (model.forwards, model.backwards) == (cost.forward, cost.backward)


def test_before_its_start_nothing_moves():
    weights = []
    for method in (AWP(start=0.5), FGSM()):
        model = conv_net()
        method.step(model, batch(progress=0.4), sgd(model))
        weights.append(model[0].weight)
    assert torch.equal(*weights)


def test_the_published_sizes_are_the_defaults():
    model = conv_net(norm=False)
    gradients = {name: torch.ones_like(parameter) for name, parameter in model.named_parameters()}
    for inner, gamma in ((PGD(), 0.01), (TRADES(), 0.005)):
        moves = AWP(inner=inner)._moves(model, gradients)
        assert set(moves) == {"0.weight", "5.weight"}
        assert (moves["0.weight"].norm() / model[0].weight.norm()).item() == pytest.approx(gamma, rel=1e-5)
    for inner in ("ema", "label_smoothing"):
        moves = METHODS.parse({"name": "awp", "inner": {"name": inner, "inner": "trades"}})._moves(model, gradients)
        assert (moves["0.weight"].norm() / model[0].weight.norm()).item() == pytest.approx(0.005, rel=1e-5)
    none = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
    assert not any(move.any() for move in AWP()._moves(model, none).values())


def test_tensors_that_are_no_weights_stay():
    """As in the authors' code: those whose name says so, and which have more than one dimension."""

    class Embedded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.position = (torch.nn.Parameter(torch.ones(2, 3)) for _ in range(2))

    model = Embedded()
    assert set(AWP()._moves(model, {name: torch.ones(2, 3) for name in ("weight", "position")})) == {"weight"}


def test_the_move_raises_the_loss_and_says_so():
    model = conv_net()
    record = AWP(inner=NFGSM(), gamma=0.05).step(model, batch(), sgd(model))
    assert record.measures["awp_gain"] > 0


def test_json_round_trip_and_refusals():
    method = AWP(inner=TRADES(beta=3), gamma=0.02)
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="awp stands around awp; nest it once"):
        METHODS.parse({"name": "awp", "inner": {"name": "ema", "inner": "awp"}})
