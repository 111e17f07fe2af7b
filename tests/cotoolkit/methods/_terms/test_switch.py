"""The adaptive weight, against one that keeps every error."""

import numpy as np
import torch

from cotoolkit.methods._terms.switch import Switch


def plain_weights(errors, on, sensitivity, decay):
    """As ELLE-A is described: all errors are kept, and mean and deviation are taken anew in each step."""
    weight, seen, weights = 0.0, [], []
    for error in errors:
        leaps = len(seen) > 2 and error > np.mean(seen) + sensitivity * np.std(seen)
        weight = on if leaps else weight * decay
        seen.append(error)
        weights.append(weight)
    return weights


def test_a_switch_that_keeps_four_numbers_is_one_that_keeps_every_error():
    draws = np.random.default_rng(0)
    for sensitivity, decay in ((2.0, 0.99), (0.5, 0.9), (0.0, 0.0)):
        errors = draws.gamma(0.5, size=200) * 1e-4
        memory = Switch.memory()
        switch = Switch(4000.0, sensitivity, decay)
        found = [switch.turned(memory, torch.tensor(error)).item() for error in errors]
        expected = plain_weights(errors, 4000.0, sensitivity, decay)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert len(set(np.array(found) == 4000.0)) == 2  # it is switched on at times, and fades at times
        np.testing.assert_allclose(memory["switch/mean"].item(), errors.mean(), rtol=1e-9)
        np.testing.assert_allclose(memory["switch/scatter"].item() / 200, errors.var(), rtol=1e-9)


def test_three_errors_only_count_and_equal_ones_do_not_leap():
    memory = Switch.memory()
    switch = Switch(1.0)
    found = [switch.turned(memory, torch.tensor(error)).item() for error in (1.0, 50.0, 4000.0)]
    assert found == [0, 0, 0]
    memory = Switch.memory()
    assert [switch.turned(memory, torch.tensor(2.0)).item() for _ in range(6)] == [0.0] * 6


def test_memories_are_apart():
    first, second = Switch.memory(), Switch.memory()
    Switch(1.0).turned(first, torch.tensor(3.0))
    assert first["switch/seen"] == 1
    assert second["switch/seen"] == 0
