"""`cotoolkit compare` from words to page and leaderboard, on runs of a few steps."""

import json
import multiprocessing
import signal
import time
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from analyses.core.runner import StudyRunner
from analyses.method_comparison import study
from analyses.method_comparison.command import compare_methods
from analyses.method_comparison.plan import comparison_plan
from analyses.method_comparison.slices import time_slice
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.methods.standard import Standard
from tests._helpers.runners import InProcessRunner

ROOT = Path(__file__).parents[3]


def test_it_is_a_command_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    entry = project["entry-points"]["cotoolkit.commands"]["compare"]
    assert entry == f"{compare_methods.__module__}:{compare_methods.__name__}"


def test_two_methods_from_training_to_page_and_leaderboard(compare, tmp_path):
    code, out, err = compare("fgsm", "standard", "--seeds", "0,1")
    assert code == 0, err
    assert "ε 0.05, 2 seeds:" in out
    folder = tmp_path / "runs" / "analyses" / "compare-smoke"
    outcomes = pd.read_parquet(folder / "outcomes.parquet")
    assert outcomes[["method", "seed"]].to_numpy().tolist() == [
        ["fgsm", 0], ["fgsm", 1], ["standard", 0], ["standard", 1]
    ]  # fmt: skip
    assert outcomes[["last_robust", "last_clean", "units", "time"]].notna().all(axis=None)
    page = (folder / "report.html").read_text()
    assert "cotoolkit compare fgsm standard --scale smoke --seeds 0,1" in page
    assert page.count("<img") == 3
    assert all((folder / f"{name}.csv").exists() for name in ("checkpoints", "costs", "summary", "leaderboard"))
    code, out, err = compare("--check", str(folder / "leaderboard"))
    assert code == 0, err
    assert "2 valid records" in out
    assert "fgsm, ε 0.05, smoke: robust accuracy of the last network" in out
    record = json.loads(next((folder / "leaderboard").glob("fgsm-*.json")).read_text())
    record["overfitting"]["broke"] += 1
    (tmp_path / "forged.json").write_text(json.dumps(record))
    code, out, err = compare("--check", "forged.json")
    assert (code, err.count("\n")) == (2, 1)
    assert "forged.json: overfitting.broke is 1, but the runs give 0" in err


class Stumbling(Standard):
    """Fails when its memory is made, which no check of configuration or data foresees."""

    def memory(self, model, data, draws):
        raise RunError("remembers too much")


def test_a_run_that_fails_is_told_and_the_others_finish(compare, registered, tmp_path):
    registered(Stumbling, "stumbling")
    code, out, err = compare("fgsm", "stumbling")
    assert code == 1
    assert "error: failed: stumbling, ε 0.05, seed 0: remembers too much" in err
    assert "Missing: 1 run failed" in out
    folder = tmp_path / "runs" / "analyses" / "compare-smoke"
    assert "remembers too much" in (folder / "report.html").read_text()
    assert [path.name.split("-")[0] for path in (folder / "leaderboard").iterdir()] == ["fgsm"]
    code, out, err = compare("stumbling", "--out", "none")
    assert code == 1
    assert "remembers too much" in err
    assert not (tmp_path / "none" / "report.html").exists()


def test_a_method_that_refuses_is_named_on_the_page(compare, registered, tmp_path):
    class Refusing(Standard):
        """Refuses any radius."""

        def check_config(self, config):
            raise ConfigError("has no form for this radius")

    registered(Refusing, "refusing")
    code, out, err = compare("fgsm", "refusing")
    assert code == 0, err
    assert "not trained, as they refuse the settings: refusing" in out
    page = (tmp_path / "runs" / "analyses" / "compare-smoke" / "report.html").read_text()
    assert "has no form for this radius" in page


def test_a_plan_is_told_and_nothing_trained(compare, tmp_path):
    code, out, err = compare("fgsm", "pgd", "--plan", "--radii", "8/255,16/255", "--seeds", "0..2")
    assert code == 0, err
    assert "ε 8/255: seeds 0, 1, 2, 3 iterations a run" in out
    assert "fgsm: 0 of 3 runs done, 18 forward-backward passes in all" in out  # 2 passes, 3 iterations, 3 seeds
    assert "12 runs, 234 forward-backward passes of a batch; nothing was trained" in out  # 2 * 3 * 3 * (2 + 11)
    assert not (tmp_path / "runs").exists()


def test_slices_stop_and_go_on(compare, tmp_path, monkeypatch):
    trains, costs = InProcessRunner.train_what_can_be, study.costs_of
    monkeypatch.setattr(InProcessRunner, "train_what_can_be", lambda runner, given: time.sleep(30))
    code, out, err = compare("fgsm", "standard", "--slice-minutes", "0.01")
    assert code == 0, err
    assert "the slice is over: 0 of 2 runs done, 2 runs are left; the same command goes on" in out
    monkeypatch.setattr(InProcessRunner, "train_what_can_be", trains)
    monkeypatch.setattr(study, "costs_of", lambda *given, **named: signal.raise_signal(signal.SIGALRM))  # it rings
    code, out, err = compare("fgsm", "standard", "--slice-minutes", "5")
    assert code == 0, err
    assert "the slice is over: 2 of 2 runs done, all runs are trained, measuring is left" in out
    assert not (tmp_path / "runs" / "analyses" / "compare-smoke" / "report.html").exists()
    monkeypatch.setattr(study, "costs_of", costs)
    code, out, err = compare("fgsm", "standard", "--slice-minutes", "5")
    assert code == 0, err
    assert (tmp_path / "runs" / "analyses" / "compare-smoke" / "report.html").exists()


@pytest.mark.slow
def test_a_slice_ends_the_processes_that_train(tiny, tmp_path):
    plan = comparison_plan("smoke", ["pgd"])
    settings = plan.groups["ε 0.05"].settings
    endless = plan.groups["ε 0.05"].model_copy(update={"settings": {**settings, "epochs": 100_000}})
    runner = StudyRunner(tmp_path, tmp_path, jobs=1, device="cpu")
    with time_slice(0.1) as part:
        runner.train_what_can_be(plan.model_copy(update={"groups": {"ε 0.05": endless}}).study())
    assert part.over
    # Not joined, since the pool's own thread does that, and of two the later one may be told nothing.
    until = time.monotonic() + 20
    while multiprocessing.active_children() and time.monotonic() < until:
        time.sleep(0.1)
    assert not multiprocessing.active_children()


def test_what_is_done_in_time_is_not_ended():
    for minutes in (1, None):
        with time_slice(minutes) as part:
            pass
        assert not part.over
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    with pytest.raises(ZeroDivisionError), time_slice(1):
        _ = 1 / 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fgms", "did you mean"),
        ("--scale huge", "'huge' is not one of"),
        ("--radii 8/255,y", "--radii 8/255,y: not a number: 'y'"),
        ("--seeds one", "--seeds one: give whole numbers"),
        ("fgsm --exclude fgsm", "no method is left to compare"),
        ("--scale digits --autoattack", "AutoAttack clips images to [0, 1]"),
        ("--check nowhere.json", "nowhere.json: no such file"),
        ("--slice-minutes 0", "Invalid value for '--slice-minutes'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(compare, words, message):
    code, out, err = compare(*words.split())
    assert code == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in out + err
