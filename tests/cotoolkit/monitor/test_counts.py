"""Every count that the monitor takes: a whole number of any kind, or one line."""

import math

import numpy as np
import pytest
import torch

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.early_warning import EarlyWarning, QuarterShift, Sigmas
from cotoolkit.monitor.weight_history import WeightHistory
from tests._helpers.loops import Clock, Scripted, breaks_at


def monitor(**options):
    return Scripted(Clock(), breaks_at(1000), **options)


REFUSED = r"give a whole number, \d or more|not a whole number|Input should be (a valid integer|greater than or equal)"
"""In the words of a function, and of a configuration's field."""

COUNTS = {
    "log_every": (1, lambda count: monitor(log_every=count)._log.every),
    "snapshot_every": (1, lambda count: monitor(snapshot_every=count).snapshot_every),
    "interval": (0, lambda count: MonitorConfig(interval=count).interval),
    "points": (1, lambda count: MonitorConfig(points=count).points),
    "steps": (1, lambda count: MonitorConfig(steps=count).steps),
    "trace_every": (1, lambda count: MonitorConfig(trace_every=count).trace_every),
    "capacity": (3, lambda count: WeightHistory(count).capacity),
    "pause": (0, lambda count: EarlyWarning(pause=count).pause),
    "window": (4, lambda count: QuarterShift(count).window),
    "least": (0, lambda count: Sigmas(count).least),
}
"""The least that each may be, and what becomes of it, by name."""


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_of_any_kind(name):
    _, taken = COUNTS[name]
    for count in (6, 6.0, np.int64(6), np.float32(6), torch.tensor(6)):
        found = taken(count)
        assert found == 6
        assert type(found) is int


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("wrong", [True, False, 6.5, "6", None, math.nan, math.inf, [6], -1], ids=repr)
def test_what_is_no_count_is_one_line(name, wrong):
    _, taken = COUNTS[name]
    with pytest.raises(ConfigError, match=rf"^(MonitorConfig: )?{name}: ({REFUSED})") as caught:
        taken(wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, (least, _) in COUNTS.items() if least])
def test_a_count_below_the_least_is_refused(name):
    least, taken = COUNTS[name]
    assert taken(least) == least
    with pytest.raises(ConfigError, match=f"{name}: .* {least}"):
        taken(least - 1)


def test_a_run_is_the_same_whatever_the_kind_of_its_counts():
    runs = [RunConfig(data="digits", monitor={"interval": count, "points": count}) for count in (6, 6.0, np.int64(6))]
    assert len({run.identity for run in runs}) == 1
    with pytest.raises(ConfigError, match=r"RunConfig: monitor\.points: not a whole number: True"):
        RunConfig(data="digits", monitor={"points": True})
