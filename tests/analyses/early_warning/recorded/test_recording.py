import copy
import math

import pytest

from analyses.early_warning.recorded import recording
from analyses.early_warning.recorded.recording import PROBE_COLUMNS, record
from analyses.early_warning.recorded.truth import EVERY, true_breaks, undated
from analyses.early_warning.scoring.simulation import watch
from cotoolkit.config import RunConfig
from cotoolkit.evaluation.probe import FIRST_LOOK, Probe
from cotoolkit.evaluation.protocol import Protocol
from cotoolkit.monitor.dating import WINDOW
from cotoolkit.training.run import run
from cotoolkit.training.trainer import Trainer
from tests._helpers.breaking import BREAKING
from tests._helpers.made_recordings import recording as made

BROKEN = RunConfig.parse({**BREAKING, "monitor": {"interval": 40, "steps": 5}})
TINY = {
    "data": {"name": "digits", "train_size": 200},
    "model": {"name": "small_cnn", "width": 4},
    "epsilon": 0.1,
    "epochs": 8,
    "batch_size": 50,
    "monitor": {"points": 40, "steps": 3, "trace_every": 1},
}


@pytest.fixture(scope="module")
def tiny():
    return record(RunConfig.parse(TINY))


@pytest.fixture(scope="module")
def broken():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "TRUTH_POINTS", 60)
        patch.setattr(recording, "TRUTH", Protocol(steps=8, restarts=1, step_size=0.25))
        return recording.record_run("breaking", BROKEN)


def test_recording_trains_as_a_run_does(tiny, tmp_path):
    metrics = run(RunConfig.parse({**TINY, "evaluation": ["clean"]}), tmp_path, device="cpu").metrics()
    of_both = {*metrics["signal"]} & {*tiny.trace.columns} - {*PROBE_COLUMNS}
    assert {"train_loss", "pert_align", "abnormal_example"} <= of_both
    for signal in of_both:
        expected = metrics[metrics["signal"] == signal].set_index("iteration")["value"]
        assert tiny.trace.set_index("iteration")[signal].tolist() == expected.tolist()
    assert len(tiny.trace) == tiny.iterations == 32


@pytest.mark.slow
def test_a_recorded_break_has_about_the_dates_of_the_engine(broken, tmp_path):
    folder = run(BROKEN, tmp_path, device="cpu")
    assert folder.result()["verdict"] == "catastrophic overfitting"
    found = watch(broken).dates
    assert found is not None
    # Far from the truth's break the recording holds a probe at every sixteenth iteration only.
    assert abs(found.first - folder.result()["breakpoint"]["iteration"]) <= EVERY
    assert abs(found.detected - folder.result()["breakpoint"]["detail"]["detected"]) <= EVERY


@pytest.mark.slow
def test_the_truth_is_dated_to_the_iteration(broken):
    truth, trace = broken.recording.truth, broken.recording.trace
    found = true_breaks(truth)[-1]
    assert found == broken.truth.breaks[-1]
    assert undated(truth) == set()
    last = len(trace)
    around = {*range(found.first - WINDOW, min(last, found.sustained + WINDOW) + 1)}
    assert around <= {*truth["iteration"]}
    assert {*range(0, last, EVERY), last} <= {*truth["iteration"]}
    # There the probe is known at every iteration, too, and on other points sees the same network break.
    probed = trace.dropna(subset="probe_pgd").set_index("iteration")
    assert around - {0} <= {*probed.index}
    assert probed["probe_pgd"].loc[found.sustained :].mean() < 0.6 * probed["probe_pgd"].max()


def test_what_is_recorded_when(tiny):
    probed = tiny.trace.dropna(subset="probe_pgd")
    assert {EVERY, 2 * EVERY} <= {*probed["iteration"]}
    assert probed[[*PROBE_COLUMNS]].notna().all().all()
    assert probed["probe_two"].ge(probed["probe_pgd"]).all()
    assert probed["first_two"].ge(probed["first_pgd"]).all()
    assert tiny.trace.dropna(subset="train_pgd")["iteration"].tolist() == [4 * epoch for epoch in range(1, 9)]
    assert tiny.trace["bilinear_error"].ge(0).all()
    assert {0, EVERY, 2 * EVERY} <= {*tiny.truth["iteration"]}
    assert tiny.truth[["clean", "fgsm", "pgd"]].stack().between(0, 1).all()


def test_a_probes_first_points_and_first_steps_are_those_of_smaller_probes():
    trainer = Trainer(RunConfig.parse(TINY), device="cpu")
    model, probe = copy.deepcopy(trainer.module), trainer.probe
    found = recording._probed(model, *recording._probes(probe))
    whole = probe.measure(model)
    assert [found[f"probe_{name}"] for name in ("clean", "fgsm", "pgd")] == [whole.clean, whole.fgsm, whole.pgd]
    few = Probe(probe.images[:FIRST_LOOK], probe.labels[:FIRST_LOOK], probe.threat, probe.steps, 0)
    few.start = probe.start[:FIRST_LOOK]
    first = few.measure(model)
    expected = [first.clean, first.fgsm, first.pgd]
    assert [found[f"first_{name}"] for name in ("clean", "fgsm", "pgd")] == pytest.approx(expected, abs=1e-6)
    few.steps = 2
    assert found["first_two"] == pytest.approx(few.measure(model).pgd, abs=1e-6)


def test_falls_lie_between_evaluations():
    def falls(*pgd):
        table = made(lambda i: pgd[i], iterations=len(pgd) - 1).truth
        return recording._falls(table.assign(iteration=16 * table["iteration"]))

    assert falls(0.0, 0.4, 0.5, 0.2, 0.1, 0.4, 0.0) == [(32, 48), (80, 96)]
    assert falls(0.1, 0.2) == []
    assert falls(0.1, 0.0, 0.3, 0.0) == [(32, 48)]  # chance is nothing to fall from
    assert len(falls(*[0.5, 0.0] * 5)) == recording.FALLS


def test_a_run_that_diverges_ends_there():
    found = record(RunConfig.parse({**TINY, "learning_rate": 1e30}))
    assert len(found.trace) < found.iterations
    assert found.diverged
    assert {*PROBE_COLUMNS} <= {*found.trace.columns}
    assert found.trace.iloc[:-1]["train_loss"].map(math.isfinite).all()
