"""The recorded detector decides as the monitor of a real loop does."""

import math

import pytest
import torch

from analyses.early_warning.scoring.score import Alarm
from analyses.early_warning.scoring.simulation import traced_signals, watch
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.early_warning import EarlyWarning
from cotoolkit.monitor.monitor import BreakpointMonitor
from cotoolkit.signals.observation import StepSignals
from tests._helpers.loops import Clock
from tests._helpers.made_recordings import breaks_at, breaks_between, run, surge
from tests._helpers.scripted import result


class Recorded(BreakpointMonitor):
    """Reads and probes the recording instead of a network."""

    def __init__(self, one):
        points = torch.zeros(10, 1, 2, 2), torch.arange(10)
        super().__init__(Clock(), points, epsilon=0.1, config=one.config.monitor)
        self.rows = one.recording.trace.set_index("iteration").to_dict("index")
        self.unread = []

    def _close_step(self):
        self.iteration += 1
        skipped = traced_signals() if self.iteration % self.config.trace_every else ()
        known = {k: v for k, v in self.rows[self.iteration].items() if k not in skipped}
        self.unread.append(StepSignals(self.iteration, known, 64))

    def _signals(self):
        read, self.unread, self._read_at = self.unread, [], self.iteration
        return read

    def _measure(self, weights=None, enough=None):
        row = self.rows[self.iteration]
        return result(row["probe_pgd"], row["probe_fgsm"], row["probe_clean"])


@pytest.mark.parametrize("at", [70, 133, 201, 250])
@pytest.mark.parametrize("signal", [{}, {"abnormal_example": -3}, {"attack_gain": 2}])
def test_the_recorded_detector_decides_as_the_monitor(at, signal):
    signals = {name: surge(at + lag, size=-0.5 if name == "attack_gain" else 0.5) for name, lag in signal.items()}
    one = run(pgd=breaks_at(at), **signals)
    found = watch(one)
    monitor = Recorded(one)
    for _ in range(300):
        monitor.step()
    kinds = {
        kind: [event.detected for event in monitor.events if event.kind == kind] for kind in ("warning", "breakpoint")
    }
    assert found.warnings == kinds["warning"]
    assert [alarm.start for alarm in found.confirmed] == kinds["breakpoint"]
    assert bool(found.warnings) == bool(signal)


def test_without_signals_the_schedule_finds_the_break():
    one = run(pgd=breaks_at(133))
    scheduled = [i for i in range(1, 301) if MonitorConfig().scheduled(i)]
    assert watch(one).confirmed == [Alarm(next(i for i in scheduled if i >= 133), 300)]
    assert watch(one).probes == len(scheduled) + 1  # and the end of the run


def test_an_alarm_stands_until_a_probe_finds_robustness_back():
    one = run(pgd=breaks_between(100, 200))
    assert watch(one).confirmed == [Alarm(128, 256)]


def test_a_probe_is_looked_up_where_one_was_recorded():
    one = run(pgd=breaks_at(133), abnormal_example=surge(133))
    trace = one.recording.trace
    trace.loc[trace["iteration"] % 16 != 0, "probe_pgd"] = math.nan
    found = watch(one)
    assert found.warnings[0] == 136
    assert found.confirmed == [Alarm(144, 300)]


def test_other_rules_may_be_given():
    one = run(pgd=breaks_at(133), abnormal_example=surge(133))
    assert watch(one, []).warnings == []
    assert EarlyWarning([]).update({"abnormal_example": 1.0}) is None


@pytest.mark.parametrize("at", [70, 133, 201, 250])
def test_the_engine_dates_a_recorded_break_to_the_iteration(at):
    found = watch(run(pgd=breaks_at(at))).dates
    assert (found.first, found.sustained) == (at, at)
    assert found.earliest <= at <= found.latest
    assert found.detected >= at


def test_a_warning_is_followed_by_a_probe():
    early = watch(run(pgd=breaks_at(133), abnormal_example=surge(133))).dates
    assert (early.first, early.detected) == (133, 136)


def test_between_probes_the_last_one_stands():
    one = run(pgd=breaks_at(133))
    one.recording.trace.loc[one.recording.trace["iteration"] % 16 != 0, "probe_pgd"] = math.nan
    found = watch(one).dates
    assert (found.first, found.sustained) == (144, 144)


def test_without_a_break_there_are_no_dates():
    assert watch(run()).dates is None
