"""The moving average of the weights: against a plain loop, its limits, and what it leaves as it is."""

import dataclasses
from typing import ClassVar

import pytest
import torch
from pydantic.dataclasses import dataclass

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import STRICT, InvalidFields
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.methods import FGSM, METHODS, NFGSM, TrainingSet
from cotoolkit.methods.ema import EMA
from cotoolkit.methods.swa import SWA
from cotoolkit.training.run import run
from cotoolkit.training.trainer import Trainer
from tests._helpers.networks import conv_net
from tests._helpers.small import small
from tests._helpers.stepping import batch, remembering, sgd


def walked(method, steps):
    """The weights before and after each step, and the memory at the end."""
    model = conv_net()
    given = remembering(method, model, batch())
    states = [{name: tensor.clone() for name, tensor in model.state_dict().items()}]
    for step in range(steps):
        here = dataclasses.replace(batch(seed=step), memory=given.memory, iteration=step)
        method.step(model, here, sgd(model))
        states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    return states, given.memory


@pytest.mark.parametrize("warmup", [True, False])
def test_it_is_the_average_of_a_plain_loop(warmup):
    states, memory = walked(EMA(decay=0.3, warmup=warmup), 4)
    for name, first in states[0].items():
        expected = first.double()
        for step, state in enumerate(states[1:], start=1):
            decay = min(0.3, (1 + step) / (10 + step)) if warmup else 0.3
            expected = decay * expected + (1 - decay) * state[name].double()
        if first.is_floating_point():  # BatchNorm's statistics too
            torch.testing.assert_close(memory[f"average/{name}"].double(), expected, atol=1e-6, rtol=1e-5)
        else:
            assert memory[f"average/{name}"] == states[-1][name]
    assert EMA(decay=0.3).averages(memory)["averaged"].keys() == states[0].keys()


def test_the_warm_up_is_a_law_of_few_steps():
    states, memory = walked(EMA(), 1)  # d = 2 / 11
    expected = states[0]["0.weight"] * 2 / 11 + states[1]["0.weight"] * 9 / 11
    torch.testing.assert_close(memory["average/0.weight"], expected)


def test_without_decay_it_is_the_trained_network_bit_for_bit():
    states, memory = walked(EMA(decay=0), 3)
    assert all(torch.equal(memory[f"average/{name}"], tensor) for name, tensor in states[-1].items())


@pytest.mark.parametrize("wrapper", [EMA, SWA])
@pytest.mark.parametrize("inner", [FGSM(), NFGSM()], ids=repr)
def test_training_is_that_of_the_inner_method_bit_for_bit(wrapper, inner):
    ours, theirs = walked(wrapper(inner=inner), 3)[0][-1], walked(inner, 3)[0][-1]
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
def test_a_run_keeps_and_evaluates_the_average(tmp_path, precision):
    config = small(method={"name": "ema", "inner": "n_fgsm", "decay": 0.8}, precision=precision, epochs=2)
    folder = run(config, tmp_path, device="cpu")
    trainer = Trainer(config, device="cpu")
    with fork_global_rng(config.seed, "layers"):
        trainer.advance(trainer.total)
    kept = folder.checkpoint("averaged")
    assert kept.keys() == folder.checkpoint("last").keys()
    assert all(torch.equal(trainer.memory[f"average/{name}"], tensor) for name, tensor in kept.items())
    assert not all(torch.equal(tensor, folder.checkpoint("last")[name]) for name, tensor in kept.items())
    assert set(folder.result()["evaluation"]) == {"clean", "pgd-3", "averaged:clean", "averaged:pgd-3"}


@pytest.mark.parametrize("inner", ["swa", "law", {"name": "awp", "inner": "law"}])
def test_two_averages_of_one_network_are_refused_where_they_are_read(inner):
    with pytest.raises(InvalidFields, match=r"ema and (swa|law) both average the weights; train with one of them"):
        METHODS.parse({"name": "ema", "inner": inner})
    with pytest.raises(InvalidFields, match="ema stands around ema"):
        METHODS.parse({"name": "ema", "inner": {"name": "label_smoothing", "inner": "ema"}})


@dataclass(frozen=True, config=STRICT)
class SecretAverage(EMA):
    averages_weights: ClassVar[bool] = False


def test_two_memories_under_one_name_are_refused():
    with pytest.raises(ConfigError, match=r"ema and swa both remember average/0\.bias; train with one of them"):
        SecretAverage(inner=SWA()).memory(conv_net(), TrainingSet(20, (1, 6, 6), 4), torch.Generator())


def test_refusals_of_the_inner_method_are_passed_on():
    with pytest.raises(ConfigError, match=r"set method\.weight"):
        small(method={"name": "ema", "inner": "gradalign"}, epsilon=0.25)
    method = EMA(inner={"name": "n_fgsm", "k": 1}, decay=0.9)
    assert METHODS.parse(METHODS.dump(method)) == method
    assert EMA(inner="trades").cost_per_step() == METHODS.parse("trades").cost_per_step()
    with pytest.raises(InvalidFields, match="less than 1"):
        EMA(decay=1)
