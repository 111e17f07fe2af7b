import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import StepRecord
from cotoolkit.signals import SIGNALS, observation
from cotoolkit.signals.observation import Observation, means, observed_signals, step_signals


def tensors(size, seed=0, classes=5):
    draws = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draws)

    logits, start_logits = normal(size, classes), normal(size, classes)
    labels = torch.randint(classes, (size,), generator=draws)
    return {
        "logits": logits,
        "start_logits": start_logits,
        "labels": labels,
        "losses": F.cross_entropy(logits, labels, reduction="none"),
        "start_losses": F.cross_entropy(start_logits, labels, reduction="none"),
        "delta": normal(size, 2, 3, 3),
        "attack_gradient": normal(size, 2, 3, 3),
        "update_gradient": normal(size, 2, 3, 3),
    }


def record_of(given):
    return StepRecord(
        given["losses"],
        given["logits"],
        given["delta"],
        AttackResult(given["delta"], given["attack_gradient"], given["start_logits"], given["start_losses"]),
        given["update_gradient"],
    )


def test_every_step_signal_is_found():
    names = {info.name for info in step_signals()}
    assert len(names) >= 10
    assert observed_signals([[Observation(**tensors(4))]])[0].keys() == names


def test_the_same_values_from_a_record():
    given = [tensors(6, seed) for seed in range(3)]
    from_records = [[Observation.of_record(record_of(t), t["labels"])] for t in given]
    assert observed_signals(from_records) == observed_signals([[Observation(**t)] for t in given])


def test_the_mean_of_each_signal_is_that_of_its_function():
    given = [tensors(6, seed) for seed in range(3)]
    for values, t in zip(observed_signals([[Observation(**t)] for t in given]), given, strict=True):
        for info in step_signals():
            expected = info.function(*(t[name] for name in info.inputs)).nanmean().item()
            assert values[info.name] == pytest.approx(expected, rel=1e-5)


def test_the_measures_of_a_method_join():
    records = [replace(record_of(tensors(4)), measures={"penalty": torch.tensor(value)}) for value in (0.25, math.nan)]
    first, second = observed_signals([[Observation.of_record(record, None)] for record in records])
    assert first["penalty"] == 0.25
    assert math.isnan(second["penalty"])


def test_the_order_of_registration_changes_nothing(monkeypatch):
    expected = observed_signals([[Observation(**tensors(4))]])[0]
    turned = dict(reversed(SIGNALS.items()))
    monkeypatch.setattr(observation, "SIGNALS", turned)
    found = observed_signals([[Observation(**tensors(4))]])[0]
    assert list(found.items()) == list(expected.items())


def test_micro_batches_weigh_by_their_size():
    whole = tensors(10)
    parts = [{name: value[cut] for name, value in whole.items()} for cut in (slice(0, 7), slice(7, 10))]
    together = observed_signals([[Observation(**whole)]])[0]
    apart = observed_signals([[Observation(**part) for part in parts]])[0]
    assert apart == pytest.approx(together, rel=1e-5)


def test_what_only_some_batches_have_is_averaged_over_those():
    whole = tensors(8)
    first = {name: value[:5] for name, value in whole.items()}
    second = {name: value[5:] for name, value in whole.items() if name in ("losses", "labels")}
    found = observed_signals([[Observation(**first), Observation(**second)]])[0]
    assert found["train_loss"] == pytest.approx(whole["losses"].mean().item())
    assert found["gradient_norm"] == pytest.approx(whole["attack_gradient"][:5].flatten(1).norm(dim=1).mean().item())


def test_steps_may_differ_in_what_they_have():
    loss = torch.tensor(0.5)
    found = observed_signals([[Observation(loss=loss)], [], [Observation(**tensors(3))]])
    assert found[0] == {"train_loss": 0.5}
    assert found[1] == {}
    assert len(found[2]) == len(step_signals())


def test_losses_come_from_logits_and_labels():
    given = tensors(5)
    found = observed_signals([[Observation(logits=given["logits"], labels=given["labels"])]])[0]
    assert found["train_loss"] == pytest.approx(given["losses"].mean().item())


def test_a_zero_gradient_says_nothing_and_a_nan_loss_shows():
    given = tensors(3)
    given["attack_gradient"][0] = 0
    given["losses"][1] = torch.nan
    found = observed_signals([[Observation(**given)]])[0]
    assert math.isnan(found["train_loss"])
    cosine = torch.cosine_similarity(given["attack_gradient"].flatten(1), given["update_gradient"].flatten(1))
    assert found["pert_align"] == pytest.approx(cosine[1:].mean().item(), rel=1e-5)
    given["attack_gradient"][:] = 0
    assert math.isnan(observed_signals([[Observation(**given)]])[0]["pert_align"])


def test_by_products_of_different_batches_are_refused():
    with pytest.raises(ConfigError, match="losses 3, labels 4"):
        Observation.of({"losses": torch.rand(3), "labels": torch.arange(4)})


def test_means_leave_nan_out():
    assert means([{"a": 1.0, "b": math.nan}, {"a": 3.0}, {}]) == {"a": 2.0}
