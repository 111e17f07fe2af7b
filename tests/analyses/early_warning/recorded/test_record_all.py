import pytest

from analyses.early_warning.recorded import record_all as module
from analyses.early_warning.recorded.plan import BenchmarkRun
from analyses.early_warning.recorded.record_all import TRACES, _path, _record, record_all
from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.recorded.traces import read_traces, write_traces
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import RunError
from cotoolkit.training.run import imports_of
from tests._helpers.made_recordings import recording

PLANNED = [
    BenchmarkRun("a", RunConfig(seed=0)),
    BenchmarkRun("a", RunConfig(seed=1)),
    BenchmarkRun("b", RunConfig(seed=2)),
]


def made(planned, pgd=0.5):
    return Run.judged(planned.setting, planned.config, recording(pgd, iterations=40), {"torch": "none"})


@pytest.fixture
def no_training(monkeypatch):
    """To train anything is an error."""

    def refuse(*_):
        raise AssertionError("a run was trained again")

    monkeypatch.setattr(module, "WorkerProcesses", refuse)


def test_a_worker_records_a_run_into_a_file_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "record_run", lambda setting, config, download: made(BenchmarkRun(setting, config)))
    setting, config = PLANNED[2]
    _record(setting, config.to_data(), imports_of(config), str(tmp_path), False)
    (found,) = read_traces(_path(tmp_path, config))
    assert (found.setting, found.config) == ("b", config)


def test_what_was_recorded_is_not_trained_again(tmp_path, no_training):
    # One run is in the file of all, one was recorded by a benchmark that was interrupted, one comes from elsewhere.
    write_traces([made(PLANNED[0])], tmp_path / TRACES)
    write_traces([made(PLANNED[1])], _path(tmp_path / "recordings", PLANNED[1].config))
    write_traces([made(PLANNED[2]), made(PLANNED[0], pgd=0.4)], tmp_path / "other.parquet")
    found = record_all(PLANNED, tmp_path, [tmp_path / "other.parquet"], jobs=1)
    assert [(run.setting, run.seed, run.truth.last) for run in found] == [("a", 0, 0.5), ("a", 1, 0.5), ("b", 2, 0.5)]
    # The file of all holds them now; a part of the plan leaves the other parts' runs in it.
    assert [run.seed for run in record_all(PLANNED[:1], tmp_path, jobs=1)] == [0, 1, 2]


def test_a_file_to_reuse_that_is_none_is_one_line(tmp_path, no_training):
    with pytest.raises(RunError, match=r"^[^\n]*other.parquet: cannot be read as traces[^\n]*$"):
        record_all(PLANNED, tmp_path, [tmp_path / "other.parquet"], jobs=1)


@pytest.mark.slow
def test_missing_runs_are_trained_in_processes(tmp_path):
    data = {"data": {"name": "digits", "train_size": 100}, "model": {"name": "small_cnn", "width": 2}, "epochs": 1}
    planned = BenchmarkRun("tiny", RunConfig.parse({**data, "batch_size": 50, "monitor": {"points": 40}}))
    told = []
    (found,) = record_all([planned], tmp_path, jobs=1, report=lambda *what: told.append(what))
    assert (found.setting, found.config, found.recording.iterations) == ("tiny", planned.config, 2)
    assert found.environment["torch"]
    assert told == [("tiny", 1, 1)]
