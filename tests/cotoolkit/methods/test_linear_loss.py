"""Where the loss is convex in the image, an attack that steps along its gradient cannot lower it: records say so."""

import dataclasses

import pytest
import torch
from torch import nn

from cotoolkit.methods import METHODS
from tests._helpers.stepping import batch, remembering, sgd

OTHERWISE = {
    "standard": "attacks nothing",
    "free": "has no attack whose end is at the same weights",
    "lap": "trains at other weights than it attacks",
    "atss": "takes back steps of images that are like their noise",
    "nuat": "ascends a norm of the outputs",
    "trades": "ascends a divergence",
    "ssat": "goes back towards the image",
}
"""Methods whose loss may be lower where their attack ends."""


def linear() -> nn.Sequential:
    """Four classes; the cross-entropy is convex in the image."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 4))


@pytest.mark.parametrize("smoothed", [False, True], ids=["labels", "smoothed"])
@pytest.mark.parametrize("name", [name for name in METHODS.names() if name not in {*OTHERWISE, "label_smoothing"}])
def test_no_attack_lowers_the_loss_that_it_goes_by(name, smoothed):
    method = METHODS.parse({"name": "label_smoothing", "inner": name, "spread": "random"} if smoothed else name)
    model = linear()
    memory = remembering(method, model, batch()).memory
    for step in range(8):
        given = batch(seed=step, progress=step / 8, indices=torch.arange(6))
        given = dataclasses.replace(given, memory=memory, iteration=step, epoch_length=4)
        record = method.step(model, given, sgd(model, 0.5))
        assert (record.losses > record.attack.losses - 1e-4).all()


def test_sora_takes_its_whole_step_under_smoothed_labels_too():
    method = METHODS.parse({"name": "label_smoothing", "inner": "sora", "smoothing": 0.4})
    model = linear()
    memory = remembering(method, model, batch()).memory
    for step in range(20):
        given = dataclasses.replace(batch(seed=step), memory=memory, iteration=step)
        record = method.step(model, given, sgd(model, 0.01))
    assert record.measures["step_share"] == 1


@pytest.mark.parametrize("name", ["liet", "tdat", "fgsm_mep", "fgsm_pco", "uap", "rs_cs"])
def test_targets_of_a_wrapper_win(name):
    """With all mass spread evenly, no label makes a difference to what is trained on."""
    method = METHODS.parse({"name": "label_smoothing", "inner": name, "smoothing": 1, "spread": "all"})
    weights = []
    for shift in (0, 1):
        model = linear()
        given = dataclasses.replace(batch(), images=torch.full((6, 1, 6, 6), 0.5), threat=batch().threat.resized(0.0))
        given = remembering(method, model, dataclasses.replace(given, labels=(given.labels + shift) % 4))
        method.step(model, given, sgd(model))
        weights.append(model[1].weight.detach())
    torch.testing.assert_close(*weights)
