import pandas as pd
import pytest

from analyses.early_warning import command
from analyses.early_warning.recorded import record_all
from analyses.early_warning.recorded.plan import FITTED_ON, chosen_runs
from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.recorded.traces import write_traces
from tests._helpers.made_recordings import breaks_at, recording, run, surge


def made_runs():
    """Two breaks and two healthy runs of settings held out, and as many of those fitted on."""
    quiet = {"pert_align": 0.5, "attack_gain": 1.0}
    first, second = sorted(FITTED_ON)[:2]
    settings = [(name, at) for name, at in (("one", 150), ("two", 999), (first, 150), (second, 999)) for _ in "ab"]
    return [
        run(setting, seed, breaks_at(at), abnormal_example=surge(at, seed=seed), **quiet)
        for seed, (setting, at) in enumerate(settings)
    ]


@pytest.mark.usefixtures("coarse_scoring")
def test_traces_are_scored_without_training_and_the_page_says_what_was_reached(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "_recorded", None)
    write_traces(made_runs(), tmp_path / "traces.parquet")
    code, out, error = cli("bench-alarm", "--rescore", "traces.parquet", "--out", "out")
    assert (code, error) == (0, "")
    assert "8 seeded runs of 4 settings" in " ".join(out.split())
    page = (tmp_path / "out" / "report.html").read_text()
    assert "4 terminal, 0 transient, 4 healthy" in page
    assert "On the settings held out the combined detector" in page
    assert "aim: at most 10 iterations; reached" in page
    # Two breaks found of two are no evidence for one in a hundred.
    assert "none in 100, the interval below 0.04; reached by the estimate, not by its whole interval" in page
    assert "The engine dates 100.0% of the runs with a break" in page
    for name in ("scores.csv", "horizons.csv", "dating.csv", "every-run.csv"):
        assert (tmp_path / "out" / name).exists()
    for name in ("rules.png", "trade-off.png", "settings.png", "example.svg"):
        assert (tmp_path / "out" / name).exists()
    table = pd.read_csv(tmp_path / "out" / "settings.csv").set_index("setting")
    assert table.loc[["one", "two"], ["terminal_breaks", "terminal_missed"]].to_numpy().tolist() == [[2, 0], [0, 0]]


def test_runs_that_are_known_are_not_trained_again(cli, tmp_path, monkeypatch):
    planned = chosen_runs(settings=["digits, FGSM, ε 0.1, MLP"], seeds=1)
    runs = [Run.judged(name, config, recording(0.5), {"torch": "none"}) for name, config in planned]
    write_traces(runs, tmp_path / "traces.parquet")
    scored = []
    monkeypatch.setattr(record_all, "WorkerProcesses", None)
    monkeypatch.setattr(command, "_write_report", lambda runs, out: scored.append((runs, out.name)))
    words = ("--settings", "digits, FGSM, ε 0.1, MLP", "--seeds", "1", "--reuse", "traces.parquet", "--out", "out")
    code, out, _ = cli("bench-alarm", *words)
    assert (code, "traces.parquet" in out) == (0, True)
    ((found, name),) = scored
    assert (len(found), name) == (2, "out")
    assert (tmp_path / "out" / "traces.parquet").exists()


def test_traces_that_are_none_are_one_line(cli, tmp_path):
    (tmp_path / "none.parquet").write_text("nothing")
    for words in (("--rescore", "none.parquet"), ("--reuse", "none.parquet", "--seeds", "1")):
        code, _, error = cli("bench-alarm", *words)
        assert code == 2
        assert "none.parquet: cannot be read as traces" in error
        assert len(error.strip().splitlines()) == 1
    code, _, error = cli("bench-alarm", "--settings", "imagenet")
    assert (code, "no setting begins with 'imagenet'" in error) == (2, True)
