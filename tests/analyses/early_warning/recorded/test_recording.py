import copy
import json
import math

import pandas as pd
import pytest

from analyses.early_warning import recording
from analyses.early_warning.break_dates import EVERY, Dates, RecordedWeights, crossings, engine_dates, undated
from analyses.early_warning.calibrate import benchmark
from analyses.early_warning.page import benchmark_report
from analyses.early_warning.plan import DIGITS, SETTINGS, configs
from analyses.early_warning.recording import _record, read, record, record_all
from analyses.early_warning.simulation import watch
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import RunError
from cotoolkit.monitor.dating import WINDOW
from cotoolkit.pages import write_report
from cotoolkit.training.run import imports_of, run
from cotoolkit.training.trainer import Trainer
from tests._helpers.made_recordings import breaks_at, surge
from tests._helpers.made_recordings import run as made

TINY = {
    "data": {"name": "digits", "train_size": 200},
    "model": {"name": "small_cnn", "width": 4},
    "epsilon": 0.1,
    "epochs": 8,
    "batch_size": 50,
    "monitor": {"points": 40, "steps": 3, "trace_every": 1},
}

BREAKING = {
    **DIGITS,
    "intervention": {"name": "inject", "carrier": "paired", "beta": 0.15},
    "epochs": 13,
    "schedule": {"kind": "constant", "epsilon_warmup": 8},
    "monitor": {"interval": 40},
    "evaluation": ["clean"],
}
"""FGSM on injected digits, 260 iterations."""


@pytest.fixture(scope="module")
def tiny():
    return record(RunConfig.parse(TINY))


@pytest.fixture(scope="module")
def walked():
    """The weights and signals of every iteration of `BREAKING`; no monitor has a say in them."""
    trainer = Trainer(RunConfig.parse(BREAKING), device="cpu")
    weights = [recording._copied(trainer.module)]
    return weights, recording._train(trainer, weights)


@pytest.fixture(scope="module")
def broken(walked):
    def train(trainer, weights):
        weights[1:] = walked[0][1:]
        return copy.deepcopy(walked[1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "TRUTH_POINTS", 60)
        patch.setattr(recording, "_train", train)
        return record(RunConfig.parse(BREAKING))


def dates_of(folder):
    """The first break in a run's result."""
    broken = folder.result()["breakpoint"]
    if broken is None:
        return None
    return Dates(broken["iteration"], *(broken["detail"][name] for name in Dates._fields[1:]))


def test_recording_trains_as_a_run_does(tiny, tmp_path):
    metrics = run(RunConfig.parse({**TINY, "evaluation": ["clean"]}), tmp_path, device="cpu").metrics()
    for signal in ("train_loss", "pert_align", "abnormal_example", "attack_gain"):
        expected = metrics[metrics["signal"] == signal].set_index("iteration")["value"]
        assert tiny.trace.set_index("iteration")[signal].tolist() == expected.tolist()
    assert len(tiny.trace) == tiny.iterations == 32


@pytest.mark.slow
def test_a_recorded_break_has_the_dates_of_the_engine(broken, tmp_path):
    folder = run(RunConfig.parse(BREAKING), tmp_path, device="cpu")
    assert folder.result()["verdict"] == "catastrophic overfitting"
    assert broken.dates is not None
    assert broken.dates == dates_of(folder)


@pytest.mark.slow
def test_dates_are_those_of_the_engine_under_another_schedule_and_other_thresholds(walked, tmp_path):
    monitor = {"interval": 45, "trace_every": 1, "drop": 0.8, "gap": 0.1}
    config = RunConfig.parse({**BREAKING, "monitor": monitor})
    trainer = Trainer(config, device="cpu")
    weights, signals = walked
    recorded = RecordedWeights(weights, copy.deepcopy(trainer.module), trainer.probe)
    found = engine_dates(recorded, config.monitor, signals, epoch=20, total=260)
    assert found is not None
    assert found == dates_of(run(config, tmp_path, device="cpu"))


def test_without_a_break_there_are_no_dates(tiny, tmp_path):
    assert tiny.dates is None
    assert dates_of(run(RunConfig.parse({**TINY, "evaluation": ["clean"]}), tmp_path, device="cpu")) is None


@pytest.mark.slow
def test_the_truth_is_dated_to_the_iteration(broken):
    found = crossings(broken.truth)
    assert undated(broken.truth) == set()
    last = len(broken.trace)
    around = {*range(found.first - WINDOW, min(last, found.sustained + WINDOW) + 1)}
    assert around <= {*broken.truth["iteration"]}
    assert {*range(0, last, EVERY), last} <= {*broken.truth["iteration"]}
    # Both see the same network break, on other points.
    assert abs(found.sustained - broken.dates.sustained) < 40


def test_what_is_recorded_when(tiny):
    probed = tiny.trace.dropna(subset="probe_pgd")["iteration"].tolist()
    assert {EVERY, 2 * EVERY} <= {*probed}
    assert tiny.trace.dropna(subset="train_pgd")["iteration"].tolist() == [4 * epoch for epoch in range(1, 9)]
    assert tiny.trace["bilinear_error"].ge(0).all()
    assert {0, EVERY, 2 * EVERY} <= {*tiny.truth["iteration"]}
    assert tiny.truth[["clean", "fgsm", "pgd"]].stack().between(0, 1).all()


def test_falls_lie_between_evaluations():
    accuracies = {0: 0.0, 16: 0.4, 32: 0.5, 48: 0.2, 64: 0.1, 80: 0.4, 96: 0.0}
    assert recording._falls(accuracies) == [(32, 48), (80, 96)]
    assert recording._falls({0: 0.1, 16: 0.2}) == []
    assert recording._falls({0: 0.1, 16: 0.0, 32: 0.3, 48: 0.0}) == [(32, 48)]  # chance is nothing to fall from


def test_a_run_that_diverges_ends_there():
    found = record(RunConfig.parse({**TINY, "learning_rate": 1e30}))
    assert len(found.trace) < found.iterations
    assert found.trace.iloc[:-1]["train_loss"].map(math.isfinite).all()


def test_recordings_are_read_back_and_not_made_again(tiny, tmp_path, monkeypatch):
    config = RunConfig.parse(TINY)
    monkeypatch.setattr("analyses.early_warning.recording.record", lambda config, download: tiny)
    _record("tiny", config.to_data(), imports_of(config), str(tmp_path), False)
    (found,) = record_all([("tiny", config)], tmp_path, jobs=1)  # a second process would not see the patch
    assert (found.setting, found.seed, found.config) == ("tiny", 0, config)
    pd.testing.assert_frame_equal(found.recording.trace, tiny.trace)
    assert found.environment["torch"]
    assert found.recording.dates is None


def test_dates_are_read_back(tiny, tmp_path, monkeypatch):
    config, dates = RunConfig.parse(TINY), Dates(20, 22, 18, 24, 32)
    monkeypatch.setattr("analyses.early_warning.recording.record", lambda config, download: tiny._replace(dates=dates))
    _record("tiny", config.to_data(), imports_of(config), str(tmp_path), False)
    assert read(tmp_path, config).recording.dates == dates


@pytest.mark.parametrize("facts", ["[]", "{}", "null", '{"dates": {"first": 1}}', '{"dates": 3}', "drop"])
def test_a_recording_without_dates_is_one_line(facts, tiny, tmp_path, monkeypatch):
    config = RunConfig.parse(TINY)
    monkeypatch.setattr("analyses.early_warning.recording.record", lambda config, download: tiny)
    _record("tiny", config.to_data(), imports_of(config), str(tmp_path), False)
    (path,) = tmp_path.glob("*.json")
    if facts == "drop":
        old = json.loads(path.read_text())
        del old["dates"]
        facts = json.dumps(old)
    path.write_text(facts)
    with pytest.raises(RunError, match=r"^[^\n]*delete it, and the run is recorded again$"):
        read(tmp_path, config)


def test_a_damaged_recording_is_one_line(tmp_path):
    config = RunConfig.parse(TINY)
    with pytest.raises(RunError, match="delete it, and the run is recorded again"):
        read(tmp_path, config)


def test_the_settings_are_what_the_issue_of_numbers_needs():
    found = list(configs())
    assert len({config.identity for _, config in found}) == len(found) == sum(setting.seeds for setting in SETTINGS)
    assert [config.seed for _, config in found] == sorted(config.seed for _, config in found)
    assert {config.data.name for _, config in found} == {"digits", "fashion_mnist"}


def test_the_page_says_what_was_reached(tmp_path):
    quiet = {"pert_align": 0.5, "attack_gain": 1.0}
    runs = [
        made(
            setting,
            seed,
            breaks_at(at),
            abnormal_example=surge(at, seed=seed),
            dates=Dates(at, at + 1, at - 1, at + 2, at + 8) if at < 300 else None,
            **quiet,
        )
        for setting, at in (("one", 150), ("two", 999))
        for seed in range(2)
    ]
    report = benchmark_report(runs, [watch(one) for one in runs], benchmark(runs))
    page = write_report(report, tmp_path).read_text()
    assert "4 seeded runs: 2 breakpoint, 2 healthy" in page
    assert "aim: at most 10 iterations; reached" in page
    assert "The engine dates 100.0% of the breakpoints. Its first crossing is off by 0 [0, 0] iterations" in page
    assert (tmp_path / "dating.csv").exists()
    assert "Missed are 0 of the 2 breakpoints that last" in page
    assert (tmp_path / "rules.png").exists()
    assert (tmp_path / "example.svg").exists()
