import itertools
import json
import math
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotoolkit.monitor.early_warning import (
    DEFAULT_RULES,
    PAUSE,
    Departure,
    EarlyWarning,
    Level,
    QuarterShift,
    Rise,
    Rule,
    Shift,
    Sigmas,
)
from cotoolkit.signals import SIGNALS

STATISTICS = [
    Level(0.5),
    Shift(0.5, 0.25),
    Departure(least=4, sure=0),
    Departure(least=4, sure=0, relative=True),
    QuarterShift(4),
    Sigmas(2),
    Rise(),
]
NUMBERS = st.lists(st.floats(-100, 100), min_size=1, max_size=40)


def streamed(statistic, values):
    return [statistic.update(value) for value in values]


def test_level_by_hand():
    # Mean of the first 1 / 0.5 = 2 values, then half of the way to each new one: 1, 2, (2 + 4) / 2.
    assert streamed(Level(0.5), [1.0, 3.0, 4.0])[1:] == [2.0, 3.0]


def test_nothing_deviates_from_a_constant():
    assert all(math.isnan(value) for value in streamed(Sigmas(2), [1.0, 1.0, 1.0, 5.0]))


def test_statistics_need_history():
    assert [math.isnan(value) for value in streamed(Level(0.5), [1.0] * 3)] == [True, False, False]
    assert [math.isnan(value) for value in streamed(Shift(0.5, 0.25), [1.0] * 5)] == [True] * 3 + [False] * 2
    assert [math.isnan(value) for value in streamed(QuarterShift(4), [1.0] * 5)] == [True] * 3 + [False] * 2


@given(NUMBERS)
def test_shift_is_a_difference_of_levels(values):
    fast, slow = streamed(Level(0.5), values), streamed(Level(0.25), values)
    for found, high, low in zip(streamed(Shift(0.5, 0.25), values), fast, slow, strict=True):
        if not math.isnan(found):
            assert found == pytest.approx(high - low, abs=1e-9)


def test_a_level_becomes_the_exponential_mean_of_pandas():
    values = np.random.default_rng(0).normal(size=200)
    expected = pd.Series([values[:10].mean(), *values[10:]]).ewm(alpha=0.1, adjust=False).mean()
    assert streamed(Level(0.1), values.tolist())[9:] == pytest.approx(expected.tolist())


@given(NUMBERS)
def test_quarter_shift_is_the_difference_of_quarters(values):
    for end, found in enumerate(streamed(QuarterShift(8), values), start=1):
        if end < 8:
            assert math.isnan(found)
        else:
            window = values[end - 8 : end]
            expected = statistics.fmean(window[6:]) - statistics.fmean(window[:2])
            assert found == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.integers(-100, 100), min_size=3, max_size=30, unique=True))
def test_sigmas_compare_with_all_values_before(values):
    for count, found in enumerate(streamed(Sigmas(2), values)):
        if count >= 2:
            before = values[:count]
            expected = (values[count] - statistics.fmean(before)) / statistics.pstdev(before)
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_departure_by_hand():
    # Least 2, so the mean is that of 1 and 3 at first, then goes half of the way to 6, and to 1.
    values, means = [1.0, 3.0, 6.0, 1.0], [1.0, 2.0, 4.0, 2.5]
    found = streamed(Departure(share=0, least=2, sure=0), values)
    assert math.isnan(found[0])
    assert found[1:] == pytest.approx([3 - 2, 6 - 4, 1 - 2.5])
    relative = streamed(Departure(share=0, least=2, sure=0, relative=True), values)
    assert relative[1:] == pytest.approx([one / mean for one, mean in zip(found[1:], means[1:], strict=True)])


@given(st.lists(st.floats(1, 100), min_size=1, max_size=40), st.sampled_from([2.0**power for power in range(-9, 9)]))
def test_a_relative_departure_has_no_unit(values, unit):
    found, scaled = (streamed(Departure(least=4, relative=True), [one * by for one in values]) for by in (1, unit))
    assert found == pytest.approx(scaled, nan_ok=True)


@pytest.mark.parametrize("length", [1000, 8000])
def test_a_departure_goes_at_the_pace_of_the_run(length):
    """A rise by 1 within a hundredth of the run, late or early in it, is as high whatever the length."""
    for start in (0.2, 0.8):
        values = np.interp(np.arange(length) / length, [0, start, start + 0.01, 1], [0, 0, 1, 1])
        found = np.nan_to_num(streamed(Departure(), values.tolist()))
        assert max(found) == pytest.approx(0.9, abs=0.12)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_noise_is_no_departure_whatever_its_correlation(correlation):
    draws = np.random.default_rng(4)
    values, value = [], 0.0
    for shock in draws.normal(size=4000):
        value = correlation * value + math.sqrt(1 - correlation**2) * shock
        values.append(value)
    found = np.nan_to_num(streamed(Departure(), values))
    assert (found > 0).mean() < 0.03
    values[3000:] = [value + 8 for value in values[3000:]]
    found = np.nan_to_num(streamed(Departure(), values))
    assert (found[3000:3008] > 3).any()


def test_rise_by_hand():
    assert streamed(Rise(), [0.5, 0.25, 1.0])[1:] == [-0.25, 0.75]


def rising(threshold=0.5, **options):
    return EarlyWarning([Rule("loss", "rises", Level(1.0), threshold)], **options)


def test_an_alarm_names_its_signal_and_then_pauses():
    alarm = rising(pause=3)
    found = [alarm.update({"loss": value}) for value in (0.0, 0.5, 1.0, 1.0, 1.0, 0.0)]
    assert found == [None, "loss", None, None, "loss", None]


def test_pauses_double_while_suspicion_lasts_and_begin_anew_after_it():
    alarm = rising(pause=4)
    for _ in range(1000):
        alarm.update({"loss": 0.0})

    def warnings(steps, loss):
        return [step for step in range(steps) if alarm.update({"loss": loss})]

    # Pauses 4, 8, 16 and then a fiftieth of the steps so far: 20 and a little more.
    found = warnings(100, 1.0)
    assert found[:4] == [0, 4, 12, 28]
    assert all(20 <= later - earlier <= 22 for earlier, later in itertools.pairwise(found[3:]))
    warnings(60, 0.0)
    assert warnings(13, 1.0) == [0, 4, 12]


def test_what_falls_is_suspicious_when_it_is_low():
    alarm = EarlyWarning([Rule("pert_align", "falls", Level(1.0), -0.1)], pause=1)
    assert [alarm.update({"pert_align": value}) for value in (0.9, 0.1, 0.2)] == [None, "pert_align", None]


def test_missing_values_are_left_out():
    alarm = rising(pause=1)
    assert [alarm.update(signals) for signals in ({}, {"loss": math.nan}, {"other": 9.0})] == [None] * 3
    assert alarm.statistics[0].count == 0


def test_two_alarms_share_no_history():
    first, second = rising(), rising()
    first.update({"loss": 1.0})
    assert (first.statistics[0].count, second.statistics[0].count) == (1, 0)
    assert DEFAULT_RULES[0].statistic.count == 0


@pytest.mark.parametrize("statistic", STATISTICS, ids=str)
def test_a_restored_alarm_goes_on_alike(statistic):
    values = np.random.default_rng(1).normal(size=60).tolist()
    whole, first, second = (EarlyWarning([Rule("loss", "rises", statistic, 0.3)], pause=3) for _ in range(3))
    expected = [whole.update({"loss": value}) for value in values]
    found = [first.update({"loss": value}) for value in values[:31]]
    state = first.state()
    second.load_state(json.loads(json.dumps(state)))
    first.update({"loss": 100.0})  # must reach neither the saved state nor the other alarm
    assert found + [second.update({"loss": value}) for value in values[31:]] == expected
    assert any(expected)


@pytest.mark.parametrize("size", [1, 8, 16, 32, 48, 64, 128])
def test_small_batches_are_taken_together(size):
    """Whatever the batches, a warning is as rare, one in a thousand steps at most; a single odd sample is none."""
    warnings = 0
    for seed in range(4):
        draws, alarm = np.random.default_rng(seed), EarlyWarning()
        shares = draws.binomial(size, 0.005, 2000) / size
        warnings += sum(alarm.update({"abnormal_example": share}, size) is not None for share in shares)
    assert warnings <= 8
    quiet, odd = EarlyWarning(), [0.0] * 1280 + [1 / size] + [0.0] * 9
    assert not any(quiet.update({"abnormal_example": share}, size) for share in odd)
    surge = [quiet.update({"abnormal_example": 0.5}, size) for _ in range(-(-128 // size))]
    assert "abnormal_example" in surge


def test_a_short_last_batch_waits_for_the_next():
    alarm = rising(threshold=0.5)
    found = [alarm.update({"loss": loss}, size) for loss, size in ((0.0, 64), (4.0, 4), (0.0, 64), (1.0, 64))]
    assert found == [None, None, None, "loss"]
    assert alarm.statistics[0].mean == 1.0  # 16 / 68 before


def test_what_waits_for_more_samples_is_in_the_state():
    one, other = rising(), rising()
    one.update({"loss": 2.0}, 50)
    other.load_state(json.loads(json.dumps(one.state())))
    assert [alarm.update({"loss": 0.0}, 20) for alarm in (one, other)] == ["loss", "loss"]


def test_one_value_out_of_all_proportion_does_not_hide_what_follows():
    draws = np.random.default_rng(3)
    gains = 1 + draws.normal(scale=0.05, size=1500)
    gains[150], gains[1400:] = 100, 0.1
    alarm = EarlyWarning()
    warned = [at for at, gain in enumerate(gains) if alarm.update({"attack_gain": gain})]
    assert any(1400 <= at <= 1402 for at in warned)
    assert sum(at < 1400 for at in warned) <= 1


def test_what_other_rules_followed_is_forgotten():
    """As in a checkpoint of a version with other rules."""
    earlier, now = (
        EarlyWarning([Rule("loss", "falls", Departure(), 0.1)]),
        EarlyWarning([Rule("loss", "rises", Level(1.0), 9)]),
    )
    for value in range(40):
        earlier.update({"loss": float(value)})
        now.update({"loss": float(value)})
    now.load_state(earlier.state())
    assert (now.steps, now.statistics[0]) == (40, Level(1.0))


def test_the_default_rules_follow_free_signals_in_their_direction():
    for rule in DEFAULT_RULES:
        assert SIGNALS[rule.signal].cost == (0, 0, 0)
        assert SIGNALS[rule.signal].at_break == rule.direction


def test_the_default_alarm_hears_a_surge_and_sleeps_through_noise():
    draws = np.random.default_rng(0)
    quiet = [{"abnormal_example": x} for x in draws.binomial(64, 0.02, 400) / 64]
    surge = [{"abnormal_example": x} for x in draws.binomial(64, 0.4, 20) / 64]
    alarm = EarlyWarning()
    assert sum(alarm.update(signals) is not None for signals in quiet) <= 2
    found = [alarm.update(signals) for signals in surge]
    assert found.index("abnormal_example") <= 2
    assert found.count("abnormal_example") <= 1 + 20 // PAUSE
