import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from cotoolkit.core.registry import InvalidFields
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.methods import FGSM, METHODS, PGD, RSFGSM, HolisticControl, HolisticRobust
from cotoolkit.methods._weighting.worst_case import worst_case
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.recorder import Recorder
from cotoolkit.training.run import run
from cotoolkit.training.trainer import Trainer
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.processes import in_two_processes
from tests._helpers.small import small
from tests._helpers.stepping import batch, sgd

CONTROLS = ("permuted", "norm_matched", "small_batch", "inverse", "oracle", "drop", "trim", "exponential", "cvar")
NAMES = {
    "worst_case_value",
    "plain_mean",
    "max_weight",
    "ess",
    "atom_weight",
    "abnormal_weight",
    "abnormal_share",
}


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("inner", [FGSM(), RSFGSM(), PGD(steps=2)], ids=repr)
def test_no_radius_and_no_share_is_the_inner_method_bit_for_bit(inner):
    model, twin = conv_net(), conv_net()
    ours = HolisticRobust(inner, r=0, alpha=0).step(model, batch(), sgd(model))
    theirs = inner.step(twin, batch(), sgd(twin))
    assert same(model, twin)  # BatchNorm's state among it
    for name in ("losses", "logits", "delta", "update_gradient"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name))
    assert ours.measures["worst_case_value"].item() == pytest.approx(ours.losses.mean().item(), rel=1e-6)


@pytest.mark.parametrize("fields", [{"r": 0.1}, {"r": 0.1, "alpha": 0.2}, {"alpha": 0.3, "order": "kl_then_lp"}])
def test_a_step_is_the_weighted_loss_at_the_perturbed_images(fields):
    model, twin, given = conv_net(norm=False), conv_net(norm=False), batch()
    record = HolisticRobust(**fields).step(model, given, sgd(model))
    delta = record.delta.clone().requires_grad_()
    losses = F.cross_entropy(twin(given.images + delta), given.labels, reduction="none")
    found = worst_case(losses, **{"r": 0.1, **fields})
    weights = found.folded(losses.detach()).float()
    value = (weights * losses).sum()
    sgd(twin)(value)
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    kept = weights > 0
    torch.testing.assert_close(record.update_gradient[kept], (delta.grad / weights.view(-1, 1, 1, 1))[kept])
    assert record.update_gradient[~kept].isnan().all()
    assert set(record.measures) == NAMES
    torch.testing.assert_close(record.measures["worst_case_value"].float(), value.detach())
    torch.testing.assert_close(record.losses, losses.detach())
    assert record.measures["atom_weight"] == found.atom
    abnormal = record.losses < record.attack.losses
    assert record.measures["abnormal_share"] == abnormal.double().mean()


def test_a_bound_clips_and_takes_weight_without_a_gradient():
    model, twin, given = conv_net(norm=False), conv_net(norm=False), batch()
    record = HolisticRobust(r=0.1, bound=1.4).step(model, given, sgd(model))
    assert record.losses.max() > 1.4  # the record keeps the cross-entropy
    losses = F.cross_entropy(twin(given.images + record.delta), given.labels, reduction="none").clamp_max(1.4)
    found = worst_case(losses, 0.1, bound=1.400001)
    sgd(twin)((found.weights.float() * losses).sum())
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "method",
    [
        HolisticRobust(PGD(steps=3), alpha=0.1),
        HolisticRobust(bound=10.0, order="kl_then_lp", alpha=0.1),
        *(HolisticControl(weights=name, alpha=0.2, oracle=PGD(steps=2)) for name in CONTROLS),
    ],
    ids=repr,
)
@pytest.mark.parametrize("trace", [True, False])
def test_declared_passes_are_the_counted_ones(method, trace):
    model = PassCounter(conv_net(), 6)
    record = method.step(model, batch(trace=trace), sgd(model))
    cost = method.cost_per_step()
    assert (model.forwards, model.backwards) == (cost.forward, cost.backward)
    assert model.network[1].num_batches_tracked == 1
    assert record.measures.keys() == NAMES | ({"gradient_scale"} if isinstance(method, HolisticControl) else set())
    assert all(value.ndim == 0 and not value.requires_grad for value in record.measures.values())
    assert METHODS.parse(METHODS.dump(method)) == method


def test_fields_that_cannot_be():
    with pytest.raises(InvalidFields, match="greater than or equal to 0"):
        HolisticRobust(r=-1)
    with pytest.raises(InvalidFields, match="alpha: Input should be less than or equal to 1"):
        HolisticRobust(alpha=5)
    with pytest.raises(InvalidFields, match="less than 1"):
        HolisticControl(alpha=1.0)
    with pytest.raises(InvalidFields, match="standard is not an attack alone"):
        HolisticRobust("standard")


def one_of_two(rank, folder, fields):
    """A step of one of two processes on its share of the batch, 4 and 3 images, under DDP."""
    whole, network = batch(size=7), conv_net(norm=False)
    part = dataclasses.replace(whole, images=whole.images[rank::2], labels=whole.labels[rank::2])
    model = nn.parallel.DistributedDataParallel(network)
    record = HolisticRobust(**fields).step(model, part, sgd(model))
    told = {"update_gradient": record.update_gradient, **record.measures}
    save_file({**network.state_dict(prefix="weights."), **told}, folder / f"{rank}.safetensors")


@pytest.mark.parametrize("fields", [{"r": 0.3, "alpha": 0.1}, {"r": 0.3, "bound": 9.0}])
def test_several_processes_weigh_the_whole_batch(tmp_path, fields):
    model, given = conv_net(norm=False), batch(size=7)
    alone = HolisticRobust(**fields).step(model, given, sgd(model))
    in_two_processes(lambda rank: one_of_two(rank, tmp_path, fields), tmp_path)
    for rank in (0, 1):
        told = load_file(tmp_path / f"{rank}.safetensors")
        for name, tensor in model.state_dict().items():
            torch.testing.assert_close(told[f"weights.{name}"], tensor, atol=1e-6, rtol=1e-5)
        for name in NAMES:
            torch.testing.assert_close(told[name], alone.measures[name], rtol=1e-5, atol=1e-6)
        known = told["update_gradient"].isfinite()
        torch.testing.assert_close(
            told["update_gradient"][known], alone.update_gradient[rank::2][known], rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("order", ["lp_then_kl", "kl_then_lp"])
def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(tmp_path, order):
    method = {"name": "holistic_robust", "r": 0.2, "alpha": 0.1, "order": order}
    folder = run(small(epochs=2, learning_rate=1e30, method=method), tmp_path, device="cpu")
    assert folder.state == "diverged"
    assert RunFolder(folder.path).result()["verdict"] == "diverged"


def test_in_training_it_equals_the_inner_method_and_logs_both_losses(tmp_path):
    trainers = [Trainer(small(method=method), device="cpu") for method in ("fgsm", {"name": "HR", "r": 0})]
    with fork_global_rng(0, "layers"):
        for trainer in trainers:
            trainer.advance(4)
    assert same(trainers[0].module, trainers[1].module)
    trainer = Trainer(small(method={"name": "HR", "r": 0.2}), device="cpu")
    recorder = Recorder(RunFolder(tmp_path))
    finite, _ = trainer._record_signals(recorder, [trainer.step()])
    row = recorder.metrics.table().to_pandas().set_index("signal")["value"]
    assert finite
    assert row["plain_mean"] == pytest.approx(row["train_loss"], rel=1e-5)
    assert row["worst_case_value"] > row["plain_mean"]
    assert math.isfinite(row["pert_align"])
