import json

import pytest
import torch

from cotoolkit.monitor.core import Breakpoint, Event
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training import recorder as recorder_module
from cotoolkit.training.recorder import Recorder
from cotoolkit.training.snapshot import Snapshot
from tests._helpers.scripted import result


@pytest.fixture
def recorder(tmp_path):
    return Recorder(RunFolder(tmp_path))


def dated():
    return Event("breakpoint", 90, 100, result(0.0), earliest=88, sustained=93, latest=95)


def found():
    before, after = (Snapshot(iteration, {"w": torch.tensor(float(iteration))}, {}, {}) for iteration in (89, 93))
    partial = result(0.3)
    partial = type(partial)(**{**vars(partial), "complete": False})
    return Breakpoint(90, 93, 88, 95, 100, {95: result(0.1), 96: partial, 104: result(0.0)}, before, after)


def test_events_stand_in_the_folder_as_they_always_did(recorder):
    probe = result(0.5)
    accuracies = {"probe_clean": 0.9, "probe_fgsm": 0.7, "probe_pgd": 0.5, "gradient_alignment": 0.5}
    warning, recovered = Event("warning", 40, 40, probe, signal="pert_align"), Event("recovered", 120, 120, probe)
    recorder.add_events([warning, dated(), recovered])
    rows = recorder.events
    assert rows[0] == {"kind": "suspicion", "iteration": 40, "detail": {**accuracies, "probe_points": 200}}
    dates = {"sustained": 93, "earliest": 88, "latest": 95, "detected": 100}
    expected = {**accuracies, "probe_pgd": 0.0, "probe_points": 200, **dates}
    assert rows[1] == {"kind": "breakpoint", "iteration": 90, "detail": expected}
    assert list(rows[1]["detail"]) == list(expected)
    assert rows[2] == {"kind": "recovered", "iteration": 120, "detail": accuracies}


def test_of_dating_remain_complete_probes_of_the_past_and_the_weights_around(recorder):
    recorder.add_events([dated()])
    recorder.add_breakpoint(found())
    assert recorder.metrics.series("probe_pgd")[0].tolist() == [95]
    assert recorder.events[-1]["detail"]["moved_first"] == {}
    assert recorder.folder.checkpoint_iteration("before_break") == 89
    assert recorder.folder.checkpoint("after_break")["w"] == 93


def test_resuming_drops_what_was_written_after_the_saved_state(recorder):
    for iteration in (90, 100, 110):
        recorder.metrics.add(iteration, {"train_loss": 1.0})
    recorder.add_events([dated(), Event("recovered", 110, 110, result(0.5))])
    recorder.save(110, {}, {}, {})
    for iteration, last, kinds in ((110, 110, ["breakpoint", "recovered"]), (100, 100, ["breakpoint"]), (99, 90, [])):
        again = Recorder(recorder.folder)
        again.resume(iteration, 50.0, None)
        assert again.metrics.series("train_loss")[0].max() == last
        assert [event["kind"] for event in again.events] == kinds
        assert again.seconds >= 50


def test_states_are_saved_now_and_then(recorder, monkeypatch):
    monkeypatch.setattr(recorder_module, "SAVE_EVERY", 1e9)
    assert not recorder.save_is_due()
    monkeypatch.setattr(recorder_module, "SAVE_EVERY", 0.0)
    assert recorder.save_is_due()


def test_other_processes_than_the_first_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(recorder_module, "rank_and_world", lambda: (1, 2))
    other = Recorder(RunFolder(tmp_path))
    other.begin("cpu")
    other.add_events([dated()])
    other.add_breakpoint(found())
    other.add_return("rolled back", 50, {"detected": 100})
    other.save(50, {"w": torch.ones(1)}, {}, {})
    other.forget_after(50)
    other.finish("robust", {"w": torch.ones(1)}, 110, 90, {})
    assert not other.save_is_due()
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(("verdict", "state"), [("robust", "done"), ("diverged", "diverged")])
def test_a_finished_run_says_how_and_forgets_how_to_go_on(recorder, verdict, state):
    recorder.begin("cpu")
    assert recorder.folder.state == "running"
    recorder.save(100, {"x": torch.ones(1)}, {"best": 0.5}, {})
    tensors, saved = recorder.folder.resume()
    assert torch.equal(tensors["x"], torch.ones(1))
    assert (saved["iteration"], saved["monitor"]) == (100, {"best": 0.5})
    recorder.add_events([dated()])
    accuracy = {"value": 0.9, "low": 0.8, "high": 0.95, "points": 60, "card": {"hash": "abc"}}
    recorder.finish(verdict, {"w": torch.ones(1)}, 110, 80, {"clean": accuracy})
    assert recorder.folder.state == state
    assert recorder.folder.resume() is None
    outcome = recorder.folder.result()
    assert outcome["breakpoint"] == json.loads(json.dumps(recorder.events[0])) | {"count": 1}
    assert (outcome["verdict"], outcome["iterations"], outcome["best_iteration"]) == (verdict, 110, 80)
