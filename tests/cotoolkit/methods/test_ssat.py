"""Kim et al.'s checkpoints against their definition sample by sample, by hand, and with none."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS, Batch
from cotoolkit.methods.rs_fgsm import RSFGSM
from cotoolkit.methods.ssat import SSAT
from tests._helpers.networks import Linear, PassCounter, conv_net
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
from tests._helpers.stepping import batch, sgd


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(("c", "already"), [(3, "start"), (3, "clean"), (6, "start")])
def test_a_step_against_the_definition_sample_by_sample(seed, norm, c, already):
    model, epsilon = smooth_net(seed), 0.5 if norm == "linf" else 1.2
    given = smooth_batch(seed, norm, size=60, epsilon=epsilon)
    # Half of the labels are what the network says, so that there is something to fool.
    labels = torch.where(torch.arange(60) % 4 > 0, model(given.images).argmax(1), given.labels)
    given = dataclasses.replace(given, labels=labels)
    record, taken, _ = attempt(SSAT(c=c, already=already), model, given)

    raw = slow_start(given.images, epsilon, norm, torch.Generator().manual_seed(seed))
    start = slow_projection(given.images, raw, epsilon, norm)
    directions = slow_steepest(slow_attack_gradients(model, given.images + start, labels), norm)
    full = slow_projection(given.images, start + 1.25 * epsilon * directions, epsilon, norm)
    parts = []
    for image, noise, step, label in zip(given.images, start, full, labels, strict=True):

        def says(point):
            return model(point[None]).argmax().item()

        if says(image if already == "clean" else image + noise) != label:
            parts.append(0.0)
        else:
            fooled = [k for k in range(1, c + 1) if says(image + k / c * step) != label]
            parts.append(min(fooled, default=c) / c)
    assert 0.0 in parts
    assert any(0 < part < 1 for part in parts)
    delta = torch.stack([part * step for part, step in zip(parts, full, strict=True)])
    torch.testing.assert_close(record.delta, delta, atol=1e-6, rtol=0)
    expected = weight_gradient(slow_losses(model, given.images + delta, labels).mean(), model)
    torch.testing.assert_close(taken, expected, atol=1e-5, rtol=1e-4)


def test_one_checkpoint_is_rs_fgsm_bit_for_bit_where_nothing_is_wrong():
    given = batch()
    for already in ("start", "clean"):
        model, twin = conv_net(norm=False), conv_net(norm=False)
        labels = model(given.images).argmax(1)
        runs = [
            dataclasses.replace(
                given, labels=labels, generator=torch.Generator().manual_seed(0), threat=ThreatModel(1e-3)
            )
            for _ in range(2)
        ]
        ours = SSAT(c=1, already=already).step(model, runs[0], sgd(model))
        theirs = RSFGSM().step(twin, runs[1], sgd(twin))
        assert torch.equal(ours.delta, theirs.delta)
        assert torch.equal(model[0].weight, twin[0].weight)


def test_by_hand():
    # Logits (0, x1): label 1 holds where x1 > 0. The step takes at most 0.4 off.
    model = Linear(torch.tensor([[[1.0]]]))
    images = torch.tensor([0.05, 0.15, 0.25, 0.35, 0.9, -0.5]).view(-1, 1, 1, 1)
    given = Batch(images, torch.ones(6, dtype=torch.int64), ThreatModel(0.4, box="none"), torch.Generator())
    found = SSAT(c=4, already="clean", alpha=0.8).attack(model, given)
    assert found.delta.flatten().tolist() == pytest.approx([-0.1, -0.2, -0.3, -0.4, -0.4, 0])


def test_checkpoints_are_asked_for_in_eval_mode_and_move_nothing():
    model = conv_net()
    modes = []
    model[1].register_forward_pre_hook(lambda layer, inputs: modes.append(layer.training))
    SSAT(already="clean").step(model, batch(), sgd(model))
    assert modes == [True, False, False, False, True]
    assert model[1].num_batches_tracked == 1
    assert model.training


@pytest.mark.parametrize("method", [SSAT(c=1), SSAT(c=5, already="clean", alpha=0.1, bn_mode="eval")])
def test_cost_and_settings(method):
    assert METHODS.parse(METHODS.dump(method)) == method
    assert METHODS.parse("fgsm_ckpt") == SSAT()
    with pytest.raises(InvalidFields, match="greater than or equal to 1"):
        SSAT(c=0)
    given = batch()
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
