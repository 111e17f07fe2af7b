"""Runs written to loggers: each value once, the numbers as without, and a logger that fails harms nothing."""

import csv
import logging
from collections import Counter
from importlib.util import find_spec
from typing import NamedTuple

import pytest
import torch

from cotoolkit.core.errors import ConfigError
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.study import Study
from cotoolkit.training import recorder
from cotoolkit.training.logs import named_loggers
from cotoolkit.training.logs.run_log import RunLog
from cotoolkit.training.run import run
from tests._helpers.small import SMALL, small


class Row(NamedTuple):
    """A value in a log."""

    step: int
    name: str
    value: float


def csv_rows(folder):
    with (folder.path / "logs" / "csv" / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
    return [
        Row(int(line["step"]), name.removeprefix("cotoolkit/"), float(value))
        for line in lines
        for name, value in line.items()
        if name != "step" and value
    ]


def tensorboard_rows(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder.path / "logs" / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    names = [name for name in events.Tags()["scalars"] if name.startswith("cotoolkit/")]
    return [
        Row(event.step, name.removeprefix("cotoolkit/"), event.value)
        for name in names
        for event in events.Scalars(name)
    ]


ROWS = {"csv": csv_rows, "tensorboard": tensorboard_rows}


def check(rows, folder):
    """The log holds what the folder holds, each value once, and the evaluation."""
    logged = Counter((row.step, row.name) for row in rows)
    assert max(logged.values()) == 1
    found = {(row.step, row.name): row.value for row in rows if not row.name.startswith("evaluation/")}
    table = folder.metrics()
    stored = {(step, name): value for step, name, value in table.itertuples(index=False)}
    assert {key for key in found if key[1] not in ("warning", "breakpoint", "recovered")} == set(stored)
    assert all(found[key] == pytest.approx(value, rel=1e-5, nan_ok=True) for key, value in stored.items())
    result = folder.result()
    evaluated = {row.name: row.value for row in rows if row.name.startswith("evaluation/")}
    assert evaluated == {
        f"evaluation/{name}": pytest.approx(one["value"], rel=1e-5) for name, one in result["evaluation"].items()
    }


def weights_equal(first, second):
    one, two = first.checkpoint("last"), second.checkpoint("last")
    return all(torch.equal(one[name], two[name]) for name in one)


def test_all_that_is_measured_is_written_and_no_number_changes(tmp_path):
    config = small(epochs=2)
    plain = run(config, tmp_path / "plain", device="cpu")
    logged = run(config, tmp_path / "logged", device="cpu", loggers=["csv", "tensorboard"])
    assert logged.path.name == plain.path.name
    assert weights_equal(plain, logged)
    assert {**plain.result(), "seconds": 0} == {**logged.result(), "seconds": 0}
    assert logged.metrics().equals(plain.metrics())
    for rows in ROWS.values():
        check(rows(logged), logged)


@pytest.mark.parametrize("name", ["csv", "tensorboard"])
def test_a_run_that_goes_on_writes_nothing_twice(name, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "SAVE_EVERY", 0.0)
    config = small(epochs=5)
    for last in (6, 8, 13):

        def stop(progress, last=last):
            if progress.iteration == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path, device="cpu", loggers=[name], report=stop)
    folder = run(config, tmp_path, device="cpu", loggers=[name])
    check(ROWS[name](folder), folder)


def test_a_killed_process_leaves_rows_that_are_written_again_once(tmp_path):
    config = small(epochs=2)
    folder = run(config, tmp_path, device="cpu", loggers=["csv"])
    file = folder.path / "logs" / "csv" / "metrics.csv"
    whole = csv_rows(folder)
    with file.open("a") as lines:  # beyond what logged.json knows of, and a last line that was cut
        lines.write(",".join("99" for _ in file.read_text().splitlines()[0].split(",")) + "\n7,7")
    named_loggers.open_logger("csv", folder.path, 8).close()
    assert csv_rows(folder) == [row for row in whole if row.step <= 8]


def test_what_a_remedy_trains_again_is_written_again_also_after_a_kill(tmp_path):
    for killed in (False, True):
        place = tmp_path / str(killed)
        with RunLog(place, ["csv"], {}) as log:
            for at in range(1, 9):
                log.write({"train_loss": float(at)}, at, at)
            log.go_back(5)
            for at in range(6, 8):
                log.write({"train_loss": 10.0 * at}, at, at)
        if killed:
            with RunLog(place, ["csv"], {}) as log:
                log.write({"train_loss": 70.0}, 7, 7)
        log = RunLog(place, ["csv"], {})
        log.write({"train_loss": 80.0}, 8, 8)
        log.write_last({"evaluation/clean": 0.5}, 5)
        log.__exit__(None)
        rows = csv_rows(RunFolder(place))
        assert [row.value for row in rows if row.name == "evaluation/clean"] == [0.5]
        for at in (6, 7, 8):
            assert 10.0 * at in [row.value for row in rows if row.step == at]


def test_fresh_begins_another_log(tmp_path):
    config = small(epochs=1)
    run(config, tmp_path, device="cpu", loggers=["csv", "tensorboard"])
    folder = run(config, tmp_path, device="cpu", loggers=["csv", "tensorboard"], fresh=True)
    for rows in ROWS.values():
        check(rows(folder), folder)


class Breaks:
    """A logger that takes some values and then none."""

    def __init__(self):
        self.taken = 0

    def log_metrics(self, metrics, step=None):
        self.taken += 1
        if self.taken > 3:
            raise ConnectionError("the server is gone")


def test_a_logger_that_fails_is_told_once_and_training_goes_on(tmp_path, caplog):
    logger = Breaks()
    with caplog.at_level(logging.WARNING):
        folder = run(small(epochs=2), tmp_path, device="cpu", loggers=[logger, "csv"])
    assert folder.state == "done"
    assert logger.taken > 4
    told = [record for record in caplog.records if "the server is gone" in record.getMessage()]
    assert len(told) == 1
    check(csv_rows(folder), folder)


def test_a_logger_without_its_package_is_one_line_before_anything_is_trained(tmp_path, monkeypatch, cli):
    monkeypatch.setattr(named_loggers, "find_spec", lambda name: None if name == "wandb" else find_spec(name))
    code, _, err = cli("train", "data=digits", "--logger", "wandb")
    assert code == 2
    assert err == "error: logger wandb needs wandb: pip install 'cotoolkit[wandb]'\n"
    with pytest.raises(ConfigError, match="pip install"):
        Study(name="x", base=SMALL).run(tmp_path, loggers=["wandb"])
    assert not list(tmp_path.iterdir())


def test_names_of_no_logger(tmp_path):
    with pytest.raises(ConfigError, match="no logger 'paper': choose from csv, tensorboard, wandb, mlflow"):
        run(small(), tmp_path, loggers=["paper"])
    with pytest.raises(ConfigError, match="name the loggers"):
        run(small(), tmp_path, device="cpu", devices=2, loggers=[Breaks()])


@pytest.mark.slow
def test_runs_of_a_study_are_written_too(tmp_path):
    study = Study(name="logged", base={**SMALL, "epochs": 1}, grids=({"seed": (0, 1)},))
    study.run(tmp_path, jobs=2, device="cpu", loggers=["csv"])
    for folder in study.folders(tmp_path):
        check(csv_rows(folder), folder)


@pytest.mark.slow
def test_wandb_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    folder = run(small(epochs=1), tmp_path, device="cpu", loggers=["wandb"])
    assert list(folder.path.glob("logs/wandb/offline-run-*/*.wandb"))


@pytest.mark.slow
def test_mlflow_in_a_file(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = run(small(epochs=1), tmp_path, device="cpu", loggers=["mlflow"])
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder.path}/logs/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'cotoolkit'")
    (found,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(found.info.run_id, "cotoolkit/train_loss")
    stored = folder.metrics().query("signal == 'train_loss'")
    assert [one.step for one in history] == stored["iteration"].tolist()
    assert found.data.metrics["cotoolkit/evaluation/clean"] == folder.result()["evaluation"]["clean"]["value"]
    assert RunFolder(folder.path).state == "done"
