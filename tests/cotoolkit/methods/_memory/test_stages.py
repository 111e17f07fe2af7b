"""Epochs and stages of training, as a step can tell them."""

import dataclasses

import pytest

from cotoolkit.methods._memory.stages import inside_a_stage, planned_epochs
from tests._helpers.stepping import batch


def steps(epochs, length):
    """The first step of each epoch of a training."""
    for epoch in range(epochs):
        done = epoch * length
        yield dataclasses.replace(batch(), iteration=done, epoch_length=length, progress=done / (epochs * length))


@pytest.mark.parametrize(("epochs", "length"), [(1, 7), (30, 391), (110, 382), (200, 3)])
def test_the_number_of_epochs_follows_from_progress(epochs, length):
    known = [planned_epochs(given) for given in steps(epochs, length)]
    assert known == [None] + [epochs] * (epochs - 1)


def test_stages_of_the_released_schedule():
    """Of 110 epochs, with drops after 100 and 105: the epochs in which the released loop sets its flag."""
    inside = {given.epoch for given in steps(110, 382) if inside_a_stage(given, (100 / 110, 105 / 110), 1)}
    assert inside == {*range(2, 99), 102, 103, 107, 108}


def test_without_drops_there_is_one_stage():
    inside = [inside_a_stage(given, (), 1) for given in steps(6, 5)]
    assert inside == [False, False, True, True, True, False]
    assert not any(inside_a_stage(given, (), 3) for given in steps(6, 5))
