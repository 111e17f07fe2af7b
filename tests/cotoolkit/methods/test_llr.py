"""LLR against loops over samples, in both readings of its slope, and in its limits."""

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS
from cotoolkit.methods.llr import LLR
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
from tests._helpers.stepping import batch, remembering, sgd, stepped


def plain_llr(network, given, *, seed, epsilon, weight, divisor):
    """The total loss and its error, sample by sample."""
    draws = torch.Generator().manual_seed(seed)
    ends = [uniform(given.images.shape, draws, epsilon) for _ in range(2)]
    total, errors = 0, []
    for image, label, u, v in zip(given.images, given.labels, *ends, strict=True):
        delta = clipped(image, epsilon * uphill(slope(network, image, label)), epsilon)
        total = total + loss(network, image + delta, label) / len(given.images)
        gradient = slope(network, image + u, label, create_graph=True) / divisor
        expansion = loss(network, image + u, label) + ((v - u) * gradient).sum()
        errors.append((loss(network, image + v, label) - expansion) ** 2)
    error = sum(errors) / len(errors)
    return total + weight * error, error


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("reading", ["sample", "mean_loss"])
def test_llr_against_loops_over_samples(seed, reading):
    network, given = smooth_net(seed), smooth_batch(seed, epsilon=0.6)
    method = LLR(weight=20.0, schedule="constant", slope=reading)
    found, record, _ = stepped_apart(method, network, given)
    divisor = 1 if reading == "sample" else 6
    total, error = plain_llr(network, given, seed=seed, epsilon=0.6, weight=20.0, divisor=divisor)
    torch.testing.assert_close(record.measures["error"].double(), error.detach(), atol=1e-8, rtol=1e-3)
    torch.testing.assert_close(found, weight_gradient(total, network), atol=1e-5, rtol=1e-3)


def test_a_network_whose_loss_is_straight_has_no_error():
    class Straight(torch.nn.Module):
        """The loss of label 0 is log(1 + exp(s)), with s so large that it is s, and s is linear."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0, 0.5]))

        def forward(self, images):
            score = 40 + images.flatten(1) @ self.weight
            return torch.stack([torch.zeros_like(score), score], 1)

    given = batch(ThreatModel(0.3))
    images, labels = given.images[:, :, :2, :2], torch.zeros(6, dtype=torch.int64)
    given = type(given)(images, labels, given.threat, given.generator)
    straight = LLR(weight=1.0, schedule="constant")
    assert straight.step(Straight(), given, lambda loss: None).measures["error"] < 1e-9
    coded = LLR(weight=1.0, schedule="constant", slope="mean_loss")  # the slope is a sixth
    assert coded.step(Straight(), given, lambda loss: None).measures["error"] > 0.01


def test_without_weight_and_before_the_first_leap_it_is_fgsm_bit_for_bit():
    theirs, _ = stepped(FGSM(), batch())
    for method in (LLR(weight=0, schedule="constant"), LLR()):
        ours, _ = stepped(method, batch())
        for first, second in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            assert torch.equal(first, second)


def test_the_weight_is_switched_on_as_elle_a_s_one_step_later():
    method, model = LLR(), conv_net()
    given = remembering(method, model, batch(ThreatModel("16/255")))
    given.memory["switch/seen"] += 10  # of errors that were all 0
    used = []
    for _ in range(3):
        used.append(method.step(model, given, sgd(model)).measures["weight"].item())
        given.memory["switch/mean"] += 1.0
    assert used == pytest.approx([0, 500, 495])
    assert LLR(schedule="constant").memory(model, None, None) == {}


def test_published_weights():
    def used(level):
        return stepped(LLR(schedule="constant"), batch(ThreatModel(level / 255)))[1].measures["weight"].item()

    assert [used(level) for level in (2, 8, 12, 14, 16, 24, 26, 40)] == [200, 200, 500, 1000, 500, 5000, 2000, 2000]
    assert used(9) == pytest.approx(350)


def test_declared_passes_refusals_and_round_trip():
    method = LLR(inner="n_fgsm", weight=3, schedule="constant", slope="mean_loss", noise="ball_and_box", bn_mode="eval")
    model = PassCounter(conv_net(), 6)
    method.step(model, batch(), sgd(model))
    cost = method.cost_per_step()
    assert (model.forwards, model.backwards, 1) == cost
    assert model.network[1].num_batches_tracked == 1  # by the attacked images
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="schedule"):
        METHODS.parse({"name": "llr", "schedule": "onoff"})
