"""Remedies at work: runs whose accuracies are scripted, and one that really breaks."""

import itertools

import pytest
import torch

from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.remedies import EarlyStop
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training import recorder, treatment
from cotoolkit.training.run import run
from cotoolkit.training.trainer import Trainer
from tests._helpers.breaking import BREAKING
from tests._helpers.scripted import result
from tests._helpers.small import small

STEEP = {5: 0.3, 10: 0.5, 15: 0.1, 20: 0.6}
"""Training accuracies at the ends of four epochs: a fall, and more afterwards."""


@pytest.fixture
def scripted(monkeypatch):
    """Measurements on training points follow STEEP."""
    measured = treatment.Treatment.examine

    def examine(self, module):
        given = iter([STEEP[5 * (len(self.accuracies) + 1)]])

        class Found:
            accuracy = type("Accuracy", (), {"value": next(given)})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(treatment, "run_protocol", lambda *args, **options: Found)
            return measured(self, module)

    monkeypatch.setattr(treatment.Treatment, "examine", examine)


@pytest.fixture
def breaking(monkeypatch):
    """FGSM loses its robustness at iteration 8, N-FGSM with k = 2 at 12, all others never."""

    def measure(self, enough=None):
        method = self.method
        limit = 8 if method.name == "fgsm" else 12 if getattr(method, "k", 0) == 2 else 1000
        return result(0.6 if self.iteration < limit else 0.0, fgsm=0.7)

    monkeypatch.setattr(Trainer, "measure", measure)


def walked(config, *parts):
    """The weights after so many iterations by each method."""
    trainer, memory = None, None
    for method, iterations in parts:
        fresh = Trainer(RunConfig.parse({**config.to_data(), "method": method, "remedy": None}), device="cpu")
        if trainer is not None:
            fresh.restore(trainer.snapshot())
            fresh.memory = memory or fresh.memory
        trainer = fresh
        with fork_global_rng(config.seed, "layers"):
            trainer.advance(iterations)
    return trainer.snapshot().model


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def told(folder, kind):
    return [event for event in folder.events() if event["kind"] == kind]


def test_a_fall_stops_the_run_with_the_weights_before_it(tmp_path, scripted):
    config = small(remedy="early_stop", epochs=4)
    folder = run(config, tmp_path, device="cpu")
    outcome = folder.result()
    assert folder.state == "done"
    assert (outcome["iterations"], folder.checkpoint_iteration("last")) == (10, 10)
    assert told(folder, "stopped") == [{"kind": "stopped", "iteration": 10, "detail": {"detected": 15}}]
    assert same(folder.checkpoint("last"), walked(config, ("fgsm", 10)))
    metrics = folder.metrics()
    measured = metrics[metrics["signal"] == "train_pgd"]
    assert dict(zip(measured["iteration"], measured["value"], strict=True)) == {5: 0.3, 10: 0.5, 15: 0.1}
    assert metrics["iteration"].max() == 15
    # What is evaluated is what is kept.
    trainer = Trainer(config, device="cpu")
    trainer.module.load_state_dict(folder.checkpoint("last"))
    clean = run_protocol(trainer.module, *trainer.test, config.threat, "clean").accuracy.value
    assert outcome["evaluation"]["clean"]["value"] == clean


@pytest.mark.parametrize(("course", "kept"), [({5: 0.3, 10: 0.5, 15: 0.1}, 10), ({5: 0.3, 10: 0.2, 15: 0.6}, 15)])
def test_the_best_weights_on_training_points_are_selected_at_the_end(tmp_path, scripted, monkeypatch, course, kept):
    monkeypatch.setitem(globals(), "STEEP", course)
    config = small(remedy="best_on_train")
    folder = run(config, tmp_path, device="cpu")
    assert folder.result()["iterations"] == folder.checkpoint_iteration("last") == kept
    assert same(folder.checkpoint("last"), walked(config, ("fgsm", kept)))
    expected = [] if kept == 15 else [{"kind": "selected", "iteration": kept, "detail": {"detected": 15}}]
    assert told(folder, "selected") == expected


def test_without_a_fall_nothing_but_the_measurements_is_different(tmp_path):
    plain = run(small(), tmp_path, device="cpu")
    folder = run(small(remedy={"name": "early_stop", "drop": 1}), tmp_path, device="cpu")
    assert same(folder.checkpoint("last"), plain.checkpoint("last"))
    assert {**folder.result(), "seconds": 0} == {**plain.result(), "seconds": 0}
    metrics = folder.metrics()
    assert metrics[metrics["signal"] != "train_pgd"].reset_index(drop=True).equals(plain.metrics())
    assert not told(folder, "stopped")


def test_a_measurement_moves_nothing_and_sees_the_same_points_each_time():
    trainer = Trainer(small(remedy="early_stop", model={"name": "preact_resnet18", "width": 2}), device="cpu")
    before, draws = trainer.snapshot().model, torch.get_rng_state()
    assert trainer.treatment.examine(trainer.module) == trainer.treatment.examine(trainer.module) == "keep"
    assert trainer.treatment.accuracies[0] == trainer.treatment.accuracies[1]
    assert same(trainer.snapshot().model, before)
    assert torch.equal(draws, torch.get_rng_state())


def test_a_breakpoint_rolls_back_and_the_next_method_goes_on(tmp_path, breaking):
    config = small(remedy={"name": "rollback", "methods": [{"name": "n_fgsm", "k": 1}]})
    folder = run(config, tmp_path, device="cpu")
    (broken,), (back,) = told(folder, "breakpoint"), told(folder, "rolled back")
    assert (broken["iteration"], broken["detail"]["detected"]) == (8, 10)
    assert back == {"kind": "rolled back", "iteration": 5, "detail": {"detected": 10, "method": "n_fgsm"}}
    assert same(folder.checkpoint("last"), walked(config, ("fgsm", 5), ({"name": "n_fgsm", "k": 1}, 10)))
    outcome = folder.result()
    assert (outcome["iterations"], outcome["breakpoint"]["iteration"]) == (15, 8)
    assert outcome["verdict"] == "recovered"
    assert not told(folder, "recovered")
    probes = folder.metrics().query("signal == 'probe_pgd'")
    assert dict(zip(probes["iteration"], probes["value"], strict=True)) == {5: 0.6, 10: 0.6, 15: 0.6}


def test_each_breakpoint_takes_the_next_method_until_none_is_left(tmp_path, breaking):
    methods = ["n_fgsm", "fgsm"]
    folder = run(small(remedy={"name": "rollback", "methods": methods}, epochs=4), tmp_path, device="cpu")
    # FGSM breaks at 8 (back to 5), N-FGSM at 12 (back to 10), and FGSM, which is broken from 8 on, at 15: no more.
    assert [event["detail"].get("method") for event in told(folder, "rolled back")] == methods
    (stopped,) = told(folder, "stopped")
    assert (stopped["iteration"], stopped["detail"]["detected"]) == (10, 15)
    assert folder.result()["iterations"] == 10
    assert len(told(folder, "breakpoint")) == 3


def test_the_next_method_begins_with_a_memory_of_its_own(tmp_path, breaking):
    config = small(remedy={"name": "rollback", "methods": [{"name": "ema", "inner": {"name": "n_fgsm", "k": 1}}]})
    folder = run(config, tmp_path, device="cpu")
    averaged, last = folder.checkpoint("averaged"), folder.checkpoint("last")
    assert averaged.keys() == last.keys()
    assert not same(averaged, last)
    assert "averaged:clean" in folder.result()["evaluation"]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(
    ("remedy", "stop"),
    [
        *(("early_stop", stop) for stop in (11, 14, 16)),
        *(("best_on_train", stop) for stop in (11, 21)),
        *(("rollback", stop) for stop in (8, 11, 16, 26)),
    ],
)
def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path, monkeypatch, scripted, breaking, remedy, stop):
    monkeypatch.setattr(recorder, "SAVE_EVERY", 0.0)
    config = small(
        method={"name": "ema", "inner": "fgsm"} if remedy == "best_on_train" else "fgsm", remedy=remedy, epochs=4
    )
    whole = run(config, tmp_path / "whole", device="cpu")
    calls = itertools.count(1)

    def report(progress):
        if next(calls) == stop:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(config, tmp_path / "parts", device="cpu", report=report)
    assert RunFolder.of(tmp_path / "parts", config).state == "failed"
    folder = run(config, tmp_path / "parts", device="cpu")
    assert same(folder.checkpoint("last"), whole.checkpoint("last"))
    assert folder.metrics().equals(whole.metrics())
    assert folder.events() == whole.events()
    assert {**folder.result(), "seconds": 0} == {**whole.result(), "seconds": 0}


REALLY = {
    **BREAKING,
    "monitor": {"interval": 20, "points": 60, "steps": 5},
    "evaluation": ["fgsm", "pgd-10"],
}


@pytest.mark.slow
def test_a_run_that_really_breaks_is_stopped_and_is_rescued(tmp_path):
    rule = EarlyStop(against="best")
    stopped = run(RunConfig.parse({**REALLY, "remedy": rule}), tmp_path, device="cpu")
    outcome = stopped.result()
    (event,) = told(stopped, "stopped")
    assert event["detail"]["detected"] < 260
    if outcome["breakpoint"] is not None:  # of which the monitor may not have been sure yet
        assert outcome["breakpoint"]["iteration"] <= event["detail"]["detected"]
    assert outcome["iterations"] == event["iteration"] == event["detail"]["detected"] - 20
    course = stopped.metrics().query("signal == 'train_pgd'")["value"].tolist()
    assert [rule.decide(course[:end]) for end in range(1, len(course) + 1)][-2:] == ["keep", "stop"]

    rescued = run(RunConfig.parse({**REALLY, "remedy": "rollback"}), tmp_path, device="cpu")
    assert told(rescued, "rolled back")
    assert rescued.result()["verdict"] == "recovered"
    assert rescued.result()["iterations"] == 260
    assert rescued.result()["evaluation"]["pgd-10"]["value"] > 0.2
