import math
from dataclasses import replace

import pytest
import torch

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.methods import StepRecord
from cotoolkit.signals import SIGNALS, Observation, observed_signals
from cotoolkit.signals.local import gradient_alignment
from cotoolkit.signals.step import (
    abnormal_example,
    attack_gain,
    gradient_norm,
    linearity,
    logit_change,
    participation_ratio,
    pert_align,
    perturbation_norm,
)


def rows(*values):
    return torch.tensor(values, dtype=torch.float32).view(len(values), 1, 1, -1)


def test_cosines_by_hand():
    first, second = rows([1, 0], [1, 1], [1, 0], [0, 0]), rows([2, 0], [1, 0], [-3, 0], [1, 0])
    for function in (pert_align, gradient_alignment):
        values = function(first, second).tolist()
        assert values[:3] == pytest.approx([1, 0.5**0.5, -1])
        assert math.isnan(values[3])


def test_linearity_by_hand():
    # g = (1, -3): sign (1, -1), |g|_1 = 4. A linear loss keeps g' = g: 1. Half of it: 0.5. Reversed: -1.
    attack = rows([1, -3], [1, -3], [1, -3], [0, 0])
    values = linearity(attack, rows([1, -3], [0.5, -1.5], [-1, 3], [1, 1])).tolist()
    assert values[:3] == pytest.approx([1, 0.5, -1])
    assert math.isnan(values[3])


def test_abnormal_examples_by_hand():
    assert abnormal_example(torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.5, 1.0, 2.0])).tolist() == [1, 0, 0]


def test_norms_by_hand():
    assert perturbation_norm(rows([3, 4])).item() == pytest.approx(5)
    assert gradient_norm(rows([3, 4])).item() == pytest.approx(5)


def test_attack_gain_and_logit_change_by_hand():
    assert attack_gain(torch.tensor([1.0, 3.0]), torch.tensor([2.5, 1.0])).tolist() == [1.5, -2]
    start, end = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[1.0, 2.0], [3.0, -4.0]])
    assert logit_change(start, end).tolist() == [4, 25]


def test_participation_ratio_by_hand():
    # (1 + 1 + 0 + 0)^2 / (4 * 2) = 0.5; four equal entries: 1; one: 1 / 4; none: nothing to say.
    values = participation_ratio(rows([1, -1, 0, 0], [2, 2, -2, 2], [0, 0, 0, 5], [0, 0, 0, 0])).tolist()
    assert values[:3] == pytest.approx([0.5, 1, 0.25])
    assert math.isnan(values[3])


def record(losses):
    gradient, logits = rows([1, 0], [0, 0]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    attack = AttackResult(rows([1, 0], [0, 0]), gradient, logits, torch.tensor([2.0, 1.0]))
    return StepRecord(torch.tensor(losses), logits, attack.delta, attack, rows([1, 0], [1, 0]))


def signals_of(records, labels):
    return observed_signals([[Observation.of_record(*step)] for step in zip(records, labels, strict=True)])


def test_step_signals_average_over_the_samples_that_say_something():
    (values,) = signals_of([record([1.0, 3.0])], [torch.tensor([0, 1])])
    expected = {
        "train_loss": 2.0,
        "train_accuracy": 0.5,
        "perturbation_norm": 0.5,
        "gradient_norm": 0.5,
        "abnormal_example": 0.5,
        "pert_align": 1.0,  # the second sample has no gradient
        "linearity": 1.0,
        "attack_gain": 0.5,  # 1 - 2 and 3 - 1
        "logit_change": 0.0,
        "participation_ratio": 0.5,  # one of two pixels, and the sample without a gradient
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected)


def test_steps_together_are_the_steps_one_by_one():
    records, labels = [record([1.0, 3.0]), record([0.5, 0.25])], [torch.tensor([0, 1]), torch.tensor([1, 1])]
    apart = [signals_of([r], [y])[0] for r, y in zip(records, labels, strict=True)]
    assert signals_of(records, labels) == apart
    assert apart[0] != apart[1]


def test_a_step_that_was_not_traced_has_no_alignment():
    traced, plain = record([1.0, 3.0]), replace(record([1.0, 3.0]), update_gradient=None)
    first, second = signals_of([traced, plain], [torch.tensor([0, 1])] * 2)
    assert first["pert_align"] == 1
    assert "pert_align" not in second
    assert first["gradient_norm"] == second["gradient_norm"]
    assert "pert_align" not in signals_of([plain], [torch.tensor([0, 1])])[0]


def test_a_loss_that_is_nan_shows():
    assert math.isnan(signals_of([record([1.0, math.nan])], [torch.tensor([0, 1])])[0]["train_loss"])


def test_clean_training_has_no_signal_of_an_attack():
    plain = StepRecord(torch.tensor([1.0]), torch.tensor([[1.0, 0.0]]))
    (values,) = signals_of([plain], [torch.tensor([0])])
    assert (values["train_loss"], values["train_accuracy"]) == (1, 1)
    attacks = {"delta", "start_losses", "start_logits", "attack_gradient", "update_gradient"}
    assert not [name for name in values if attacks & set(SIGNALS[name].inputs)]
