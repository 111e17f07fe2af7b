import dataclasses
import math
import multiprocessing

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from cotoolkit.attacks.gradient import attack_mode
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.methods import FGSM, METHODS, PGD, RSFGSM, HolisticControl, HolisticRobust
from cotoolkit.methods._terms import tilts
from cotoolkit.methods._terms.worst_case import effective_share, worst_case
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.recorder import Recorder
from cotoolkit.training.run import run
from cotoolkit.training.trainer import Trainer
from tests._helpers.networks import PassCounter, conv_net
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
    cost = method.passes()
    assert (model.forwards, model.backwards) == (cost.forward, cost.backward)
    assert model.network[1].num_batches_tracked == 1
    assert record.measures.keys() == NAMES | ({"gradient_scale"} if isinstance(method, HolisticControl) else set())
    assert all(value.ndim == 0 and not value.requires_grad for value in record.measures.values())
    assert METHODS.parse(METHODS.dump(method)) == method


def control(name, **fields):
    model, given = conv_net(), batch(size=40)
    before = conv_net()
    record = HolisticControl(weights=name, **{"r": 0.3, **fields}).step(model, given, sgd(model))
    return model, before, given, record


def test_norm_matched_has_the_length_of_the_other_and_the_direction_of_the_mean():
    def gradients(weigh):
        twin = conv_net()
        losses = F.cross_entropy(twin(given.images + record.delta), given.labels, reduction="none")
        return torch.cat([g.flatten() for g in torch.autograd.grad(weigh(losses), twin.parameters())])

    model, before, given, record = control("norm_matched")
    moved = zip(before.parameters(), model.parameters(), strict=True)
    taken = torch.cat([(old - new).flatten() for old, new in moved]) / 0.1
    holistic = gradients(lambda losses: losses @ worst_case(losses, 0.3).folded(losses.detach()).float())
    mean = gradients(lambda losses: losses.mean())
    assert taken.norm().item() == pytest.approx(holistic.norm().item(), rel=1e-4)
    torch.testing.assert_close(taken / taken.norm(), mean / mean.norm(), atol=1e-5, rtol=1e-3)
    expected = holistic.norm() / mean.norm()
    assert record.measures["gradient_scale"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_oracle_weights_come_from_the_stronger_attack():
    model, before, given, record = control("oracle", oracle=PGD(steps=5, random_start=False))
    delta = PGD(steps=5, random_start=False).attack(before, given).delta
    with attack_mode(before, "train"), torch.no_grad():
        strong = F.cross_entropy(before(given.images + delta), given.labels, reduction="none")
    losses = F.cross_entropy(before(given.images + record.delta), given.labels, reduction="none")
    sgd(before)(losses @ worst_case(strong, 0.3).folded(strong).float())
    for ours, theirs in zip(model.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(record.delta, FGSM().attack(conv_net(), given).delta)


LOSSES = torch.tensor([0.3, 2.0, 1.0, 0.1, 0.7, 4.0])
WEIGHTS = worst_case(LOSSES, 0.2).folded(LOSSES)


def test_tilts_by_hand():
    keys = torch.tensor([0.5, 0.1, 0.9, 0.3, 0.7, 0.2])
    assert torch.equal(tilts.permuted(WEIGHTS, keys), WEIGHTS[[1, 5, 3, 0, 4, 2]])
    turned = tilts.inverse(WEIGHTS, LOSSES)
    assert torch.equal(turned.sort().values, WEIGHTS.sort().values)
    assert turned.argsort().tolist() == LOSSES.argsort(descending=True).tolist()
    assert tilts.drop_lowest(LOSSES, 1 / 3).tolist() == pytest.approx([0, 0.25, 0.25, 0, 0.25, 0.25])
    assert tilts.trim_highest(LOSSES, 0.25).tolist() == pytest.approx([2 / 9, 1 / 9, 2 / 9, 2 / 9, 2 / 9, 0])
    assert tilts.uniform(LOSSES).tolist() == [1 / 6] * 6
    some = tilts.subset(torch.tensor([0.5, 0.5, 0, 0, 0, 0]), keys)
    assert some.tolist() == [0, 0.5, 0, 0, 0, 0.5]


def test_tilts_of_ties_keep_the_order_of_the_samples():
    weights = torch.arange(5000, dtype=torch.float64)
    equal = torch.zeros(5000)
    assert torch.equal(tilts.permuted(weights, equal), weights)
    assert torch.equal(tilts.inverse(weights, equal), weights.flip(0))
    some = tilts.subset(torch.ones(5000) * (torch.arange(5000) < 10), equal)
    assert some.nonzero().flatten().tolist() == list(range(10))


@pytest.mark.parametrize("r", [0.01, 0.2, 0.8])
def test_other_tilts_match_the_effective_sample_size(r):
    losses = torch.rand(200, generator=torch.Generator().manual_seed(0))
    weights = worst_case(losses, r).folded(losses)
    target = effective_share(weights).item()
    exponential, cvar = tilts.exponential(losses, weights), tilts.cvar(losses, weights)
    assert effective_share(exponential).item() == pytest.approx(target, rel=1e-6)
    assert torch.diff((exponential.log())[losses.argsort()]).min() >= 0
    assert effective_share(cvar).item() == pytest.approx(target, abs=1 / 200)
    assert set((cvar > 0)[losses.argsort()].long().diff().tolist()) == {0, 1}
    assert effective_share(tilts.subset(weights, torch.rand(200))).item() == pytest.approx(target, abs=0.5 / 200)
    for tilted in (exponential, cvar):
        assert tilted.sum().item() == pytest.approx(1)


def test_exponential_weights_of_ties_are_uniform_on_them():
    losses = torch.tensor([1.0, 1.0, 0.0])
    assert tilts.exponential(losses, torch.tensor([1.0, 0, 0])).tolist() == pytest.approx([0.5, 0.5, 0])
    assert tilts.exponential(torch.ones(4), torch.tensor([1.0, 0, 0, 0])).tolist() == pytest.approx([0.25] * 4)


def test_permutations_follow_the_batch_generator_and_leave_the_attack_alone():
    # batch() takes one seed for the images and the generator; the method must use no other source.
    records = [control("permuted", inner=RSFGSM())[3] for _ in range(2)]
    plain = HolisticRobust(RSFGSM(), r=0.3).step(conv_net(), batch(size=40), lambda loss: None)
    assert torch.equal(records[0].delta, plain.delta)
    assert records[0].measures["max_weight"] == records[1].measures["max_weight"] == plain.measures["max_weight"]


def test_fields_that_cannot_be():
    with pytest.raises(InvalidFields, match="greater than or equal to 0"):
        HolisticRobust(r=-1)
    with pytest.raises(InvalidFields, match="less than 1"):
        HolisticControl(alpha=1.0)
    with pytest.raises(InvalidFields, match="standard is not an attack alone"):
        HolisticRobust("standard")


def one_of_two(rank, folder, fields):
    """A step of one of two processes on its share of the batch, 4 and 3 images, under DDP."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=2)
    whole, network = batch(size=7), conv_net(norm=False)
    part = dataclasses.replace(whole, images=whole.images[rank::2], labels=whole.labels[rank::2])
    model = nn.parallel.DistributedDataParallel(network)
    record = HolisticRobust(**fields).step(model, part, sgd(model))
    told = {"update_gradient": record.update_gradient, **record.measures}
    save_file({**network.state_dict(prefix="weights."), **told}, folder / f"{rank}.safetensors")
    dist.destroy_process_group()


@pytest.mark.parametrize("fields", [{"r": 0.3, "alpha": 0.1}, {"r": 0.3, "bound": 9.0}])
def test_several_processes_weigh_the_whole_batch(tmp_path, fields):
    model, given = conv_net(norm=False), batch(size=7)
    alone = HolisticRobust(**fields).step(model, given, sgd(model))
    workers = [
        multiprocessing.get_context("fork").Process(target=one_of_two, args=(r, tmp_path, fields)) for r in (0, 1)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
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


def test_controls_train_in_one_process(monkeypatch):
    monkeypatch.setattr("cotoolkit.methods.holistic_robust.rank_and_world", lambda: (0, 2))
    with pytest.raises(ConfigError, match="hr_control trains in one process"):
        control("permuted")


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
