"""Traps of batch norm are warnings."""

import pytest
from torch import nn

from tests._helpers.prepared_models import net, subject, texts


def with_norm(change):
    network = net()
    change(network.norm)
    return network


def no_statistics(norm):
    norm.track_running_stats = False
    norm.running_mean = norm.running_var = None


NORMS = [
    ("untracked", no_statistics, "'norm' has no running statistics"),
    ("fresh", lambda norm: norm.reset_running_stats(), "'norm' has running statistics at their first values"),
    ("dead", lambda norm: norm.running_var[:2].zero_(), "'norm' has channels of running variance 0"),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in NORMS], ids=[case[0] for case in NORMS])
def test_batch_norm_traps_are_warnings(change, message):
    (text,) = texts(subject(with_norm(change))[1], "warning")
    assert message in text


def test_many_layers_are_one_finding():
    network = nn.Sequential(*(nn.BatchNorm2d(3) for _ in range(5)), nn.Flatten(), nn.Linear(192, 10))
    (text,) = texts(subject(network.eval())[1])
    assert text.startswith("5 batch norm layers (0, 1, 2, ...) have running statistics at their first values")
