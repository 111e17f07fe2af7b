"""ELLE against loops over samples, in its limits, and on a network whose error can be written down."""

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, NFGSM, Batch
from cotoolkit.methods.elle import ELLE
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.slow_losses import (
    clipped,
    loss,
    slope,
    smooth_batch,
    smooth_net,
    stepped_apart,
    uniform,
    uphill,
    weight_gradient,
)
from tests._helpers.stepping import batch, sgd, stepped


def plain_elle(network, given, *, seed, epsilon, weight, boxed):
    """The total loss and its parts, sample by sample."""
    draws = torch.Generator().manual_seed(seed)
    shape = given.images.shape
    ends = [uniform(shape, draws, epsilon) for _ in range(2)]
    if boxed:
        ends = [(given.images + end).clamp(0, 1) - given.images for end in ends]
    shares = torch.rand(shape[0], generator=draws, dtype=torch.float32).double()
    total, errors, deltas = 0, [], []
    for image, label, u, v, share in zip(given.images, given.labels, *ends, shares, strict=True):
        deltas.append(clipped(image, epsilon * uphill(slope(network, image, label)), epsilon))
        total = total + loss(network, image + deltas[-1], label) / len(shares)
        between = loss(network, image + (1 - share) * u + share * v, label)
        straight = (1 - share) * loss(network, image + u, label) + share * loss(network, image + v, label)
        errors.append((between - straight) ** 2)
    error = sum(errors) / len(errors)
    return total + weight * error, error, torch.stack(deltas)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", ["ball", "ball_and_box"])
def test_elle_against_loops_over_samples(seed, noise):
    network, given = smooth_net(seed), smooth_batch(seed, epsilon=0.6)
    found, record, _ = stepped_apart(ELLE(weight=30.0, noise=noise), network, given)
    total, error, deltas = plain_elle(network, given, seed=seed, epsilon=0.6, weight=30.0, boxed=noise != "ball")
    torch.testing.assert_close(record.delta, deltas)
    torch.testing.assert_close(record.measures["error"].double(), error.detach(), atol=1e-8, rtol=1e-3)
    torch.testing.assert_close(found, weight_gradient(total, network), atol=1e-5, rtol=1e-3)


def test_a_straight_loss_has_no_error_and_a_parabola_has_the_one_by_hand():
    class Parabola(torch.nn.Module):
        """Two-class logits whose loss of label 0 is log(1 + exp(s)), with s so large that it is s; s = bend * x^2."""

        def __init__(self, bend):
            super().__init__()
            self.shift, self.bend = torch.nn.Parameter(torch.zeros(())), bend

        def forward(self, images):
            pixel = images.flatten(1).sum(1)
            score = 40 + self.bend * pixel**2 + (1 - self.bend) * pixel + self.shift
            return torch.stack([torch.zeros_like(score), score], 1)

    image = torch.full((1, 1, 1, 1), 0.5)
    given = Batch(image, torch.zeros(1, dtype=torch.int64), ThreatModel(0.5), torch.Generator().manual_seed(3))
    draws = torch.Generator().manual_seed(3)
    u, v = (0.5 + 0.5 * (2 * torch.rand(1, generator=draws) - 1).item() for _ in range(2))
    a = torch.rand(1, generator=draws).item()
    # (1 - a) u^2 + a v^2 - ((1 - a) u + a v)^2 = a (1 - a) (u - v)^2
    for bend, expected in ((20.0, (20 * a * (1 - a) * (u - v) ** 2) ** 2), (0.0, 0.0)):
        model = Parabola(bend)
        record = ELLE(weight=1.0).step(model, given, sgd(model))
        assert record.measures["error"].item() == pytest.approx(expected, abs=1e-9, rel=1e-3)
        given.generator.manual_seed(3)


@pytest.mark.parametrize("inner", [FGSM(), NFGSM()], ids=repr)
def test_without_weight_it_is_its_attack_bit_for_bit(inner):
    ours, record = stepped(ELLE(inner=inner, weight=0), batch())
    theirs, other = stepped(inner, batch())
    assert torch.equal(record.delta, other.delta)
    for first, second in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(first, second)


def test_published_weights():
    def used(level):
        return stepped(ELLE(), batch(ThreatModel(level / 255)))[1].measures["weight"].item()

    assert [used(level) for level in (1, 8, 10, 16, 20, 22, 30)] == [1000, 1000, 5000, 5000, 5000, 10000, 10000]
    assert used(9) == pytest.approx(3000)


def test_declared_passes_refusals_and_round_trip():
    method = ELLE(inner=NFGSM(k=1), weight=2, noise="ball_and_box", bn_mode="eval")
    model = PassCounter(conv_net(), 6)
    method.step(model, batch(), sgd(model))
    assert (model.forwards, model.backwards, 0) == method.cost_per_step()
    assert model.network[1].num_batches_tracked == 1  # by the attacked images
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="trades is not an attack alone"):
        METHODS.parse({"name": "elle", "inner": "trades"})
    l2 = stepped(ELLE(), batch(ThreatModel(0.5, "l2")))[1]
    assert l2.delta.flatten(1).norm(dim=1).max() <= 0.5 + 1e-5
    assert l2.measures["error"] > 0
