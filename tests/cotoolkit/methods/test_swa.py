"""Stochastic weight averaging: the mean of a plain loop, and statistics measured for it."""

import copy
import dataclasses

import pytest
import torch

from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.methods import METHODS
from cotoolkit.methods.swa import SWA
from cotoolkit.training.run import run
from cotoolkit.training.trainer import Trainer
from tests._helpers.networks import conv_net
from tests._helpers.small import small
from tests._helpers.stepping import batch, remembering, sgd


@pytest.mark.parametrize(("start", "taken"), [(0, [3, 6, 9]), (0.5, [6, 9]), (0.6, [9]), (0.95, [])])
def test_it_is_the_mean_of_the_ends_of_epochs(start, taken):
    method, model = SWA(start=start), conv_net()
    given = remembering(method, model, batch())
    states = []
    for step in range(9):
        here = dataclasses.replace(
            batch(seed=step, progress=step / 9), memory=given.memory, iteration=step, epoch_length=3
        )
        method.step(model, here, sgd(model))
        states.append(copy.deepcopy(model.state_dict()))
    assert given.memory["swa/networks"] == len(taken)
    if not taken:
        assert method.averages(given.memory) == {}
        return
    found = method.averages(given.memory)["averaged"]
    assert set(found) == {"0.weight", "0.bias", "1.weight", "1.bias", "5.weight", "5.bias"}
    for name, tensor in found.items():
        mean = torch.stack([states[step - 1][name].double() for step in taken]).mean(0)
        torch.testing.assert_close(tensor.double(), mean, atol=1e-6, rtol=1e-5)
    if len(taken) == 1:
        assert torch.equal(found["0.weight"], states[-1]["0.weight"])


MODEL = {"name": "preact_resnet18", "width": 2}


def test_the_statistics_are_those_of_the_attacked_images_under_the_averaged_weights(tmp_path):
    config = small(method={"name": "swa", "start": 0.3}, model=MODEL, epochs=2, data__train_size=180, batch_size=36)
    folder = run(config, tmp_path, device="cpu")
    trainer = Trainer(config, device="cpu")
    with fork_global_rng(config.seed, "layers"):
        trainer.advance(trainer.total)
    kept = folder.checkpoint("averaged")
    network = trainer.module
    network.load_state_dict({**network.state_dict(), **trainer.method.averages(trainer.memory)["averaged"]})
    norms = [(name, module) for name, module in network.named_modules() if hasattr(module, "running_mean")]
    assert len(norms) > 10
    # The inputs of the first and the last norm, batch by batch, on attacked images, in train mode.
    seen = {name: [] for name, _ in norms}
    for name, module in norms:
        module.register_forward_pre_hook(lambda module, inputs, name=name: seen[name].append(inputs[0].detach()))
    length = len(trainer.batches)
    for iteration in range(trainer.total - length, trainer.total):
        given = trainer.prepared(iteration, trace=False)
        network.train()
        attacked = trainer.method.inner.attack(network, given)
        for values in seen.values():
            values[:] = values[: iteration - trainer.total + length]  # without the attack's pass
        with torch.no_grad():
            network(given.images + attacked.delta)
    for name, _ in (norms[0], norms[-1]):
        assert len(seen[name]) == length
        means = torch.stack([values.mean((0, 2, 3)) for values in seen[name]]).mean(0)
        variances = torch.stack([values.transpose(0, 1).flatten(1).var(1) for values in seen[name]]).mean(0)
        torch.testing.assert_close(kept[f"{name}.running_mean"], means, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(kept[f"{name}.running_var"], variances, atol=1e-4, rtol=1e-3)
        assert kept[f"{name}.num_batches_tracked"] == length


def test_measuring_statistics_leaves_the_trained_network_alone(tmp_path):
    settings = {"model": MODEL, "epochs": 2, "data__train_size": 180, "batch_size": 36}
    plain = run(small(method="fgsm", **settings), tmp_path, device="cpu")
    folder = run(small(method={"name": "swa", "start": 0}, **settings), tmp_path, device="cpu")
    last, expected = folder.checkpoint("last"), plain.checkpoint("last")
    assert all(torch.equal(last[name], tensor) for name, tensor in expected.items())
    result, without = folder.result()["evaluation"], plain.result()["evaluation"]
    assert {name: result[name] for name in without} == without
    assert set(result) - set(without) == {"averaged:clean", "averaged:pgd-3"}


def test_json_round_trip():
    method = SWA(inner="n_fgsm", start=0.5)
    assert METHODS.parse(METHODS.dump(method)) == method
