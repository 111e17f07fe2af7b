"""`--json` of every command that lists something."""

import json

import numpy as np
import pandas as pd
import pytest

from cotoolkit.cli.facts import FACTS
from cotoolkit.cli.options.json_output import say_json, table_rows
from cotoolkit.methods import METHODS
from cotoolkit.signals import SIGNALS
from tests._helpers.made_pages import made_study


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return made_study(tmp_path / "runs")


@pytest.fixture
def data(cli):
    """Runs a command, which has to print JSON and nothing else."""

    def run(*words):
        code, out, _ = cli(*words, "--json")
        assert code == 0
        return json.loads(out)

    return run


def test_registries(data, monkeypatch):
    monkeypatch.setattr(FACTS.__class__, "facts", lambda self, kind: self.stored()[kind])  # asked in test_facts.py
    assert {one["name"] for one in data("methods")} == set(METHODS.names())
    (fgsm,) = data("methods", "fgsm")
    assert (fgsm["name"], fgsm["family"], fgsm["forward"]) == ("fgsm", "single step", 2)
    assert {one["name"] for one in data("signals")} == set(SIGNALS)
    assert "digits" in {one["name"] for one in data("datasets")}
    assert "small_cnn" in {one["name"] for one in data("models")}
    interventions = data("interventions", "list")
    assert "inject" in {one["name"] for one in interventions["interventions"]}
    assert interventions["carriers"]


def test_runs(data, study):
    rows = data("runs", "list", "method=fgsm", "--sort", "epsilon")
    assert sorted(row["breakpoint"] for row in rows if row["breakpoint"] is not None) == [200, 210, 220]
    assert {row["settings"]["method"] for row in rows} == {"fgsm"}
    shown = data("runs", "show", rows[0]["run"])
    assert (shown["run"], shown["configuration"]["method"]["name"]) == (rows[0]["run"], "fgsm")
    assert shown["files"]["config.yaml"] > 0
    compared = data("runs", "compare", rows[0]["run"], rows[-1]["run"])
    assert {"epsilon"} <= set(compared["differ_in"])
    assert [row["run"] for row in compared["runs"]] == [rows[0]["run"], rows[-1]["run"]]
    assert data("runs", "list", "method=trades") == []


def test_studies(data, cli, study, tmp_path):
    (row,) = data("study", "list")
    assert row == {
        "study": study.folder(tmp_path / "runs").name,
        "runs": 12,
        "ended": 11,
        "scale": "custom",
        "question": "Does a larger radius break FGSM?",
    }
    shown = data("study", "show", row["study"])
    assert shown["study"]["name"] == "made"
    assert len(shown["runs"]) == 12
    assert {run["breakpoint"] for run in shown["runs"]} == {None, 200, 210, 220}
    assert not list(study.folder(tmp_path / "runs").glob("*.png"))
    code, out, _ = cli("study", "list")
    assert code == 0
    assert "Does a larger radius break FGSM?" in out
    code, out, _ = cli("study", "list", "--root", "elsewhere")
    assert (code, "no studies in elsewhere" in out) == (0, True)
    assert data("study", "list", "--root", "elsewhere") == []


def test_what_json_has_not_becomes_null(capsys):
    say_json({"a": float("nan"), "b": [np.float64("inf"), np.int64(3)], 1: (pd.NA is None, "ε")})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 3], "1": [False, "ε"]}
    table = pd.DataFrame({"whole": pd.array([1, None], "Int64"), "share": [0.5, None]})
    assert table_rows(table) == [{"whole": 1, "share": 0.5}, {"whole": None, "share": None}]
