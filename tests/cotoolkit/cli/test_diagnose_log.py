"""`cotoolkit diagnose-log`: output, files, exit codes."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from cotoolkit.diagnosis.logs.schema import LogDiagnosis
from tests._helpers.made_logs import broken_log, healthy_log


@pytest.fixture
def logs(tmp_path):
    """One broken run, and fourteen runs in one table."""
    rng = np.random.default_rng(2)
    made = broken_log(rng, points=1000, rows=40, partial=False, slow=False, early=False, recovers=False)
    healthy = [
        healthy_log(rng, points=1000, overfits=False, averaged=False).table.assign(seed=run) for run in range(1, 14)
    ]
    made.table.to_csv(tmp_path / "one.csv", index=False)
    pd.concat([made.table.assign(seed=0), *healthy]).to_csv(tmp_path / "many.csv", index=False)
    return made


def test_one_run(cli, tmp_path, logs):
    code, out, err = cli("diagnose-log", str(tmp_path / "one.csv"), "--checkpoint", "last", "--points", "1000")
    assert code == 0, err
    assert "pgd: column pgd (guessed)" in out
    assert "accuracies are in shares of 1" in out
    assert f"breakpoint at epoch {logs.breaks[0]} (confidence: high)" in out
    assert "its robustness is lost" in out
    folder = tmp_path / "log_diagnosis"
    found = LogDiagnosis.from_json((folder / "log_diagnosis.json").read_text())
    assert found.runs[0].breakpoints[0].at == logs.breaks[0]
    assert (folder / "timeline.png").stat().st_size > 10_000
    page = (folder / "report.html").read_text()
    assert "catastrophic overfitting" in page
    assert "What to do: go back to the checkpoint" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert cli("diagnose-log", str(tmp_path / "one.csv"))[0] == 0  # an earlier diagnosis is replaced


def test_many_runs(cli, tmp_path, logs):
    code, out, err = cli("diagnose-log", str(tmp_path / "many.csv"), "--out", "many")
    assert code == 0, err
    assert "14 runs: " in out
    assert "Breakpoints in 1 of them; 0 recovered later." in out
    assert len(pd.read_csv(tmp_path / "many" / "runs.csv")) == 14
    assert (tmp_path / "many" / "timeline-2.png").exists()  # twelve runs a picture


def test_several_logs_each_in_its_unit(cli, tmp_path, logs):
    table = logs.table.copy()
    table[["clean", "fgsm", "pgd"]] *= 100
    (tmp_path / "other").mkdir()
    table.to_csv(tmp_path / "other" / "one.csv", index=False, sep=";", decimal=",")
    paths = str(tmp_path / "one.csv"), str(tmp_path / "other" / "one.csv")
    code, out, err = cli("diagnose-log", *paths, "--json", "--out", "two")
    assert (code, err) == (0, "")
    found = LogDiagnosis.from_json(out)
    assert [run.key for run in found.runs] == [{"log": path} for path in paths]
    assert {run.breakpoints[0].at for run in found.runs} == {logs.breaks[0]}
    assert f"{paths[1]}: accuracies are in percent (the largest value is" in " ".join(found.notes)
    code, out, err = cli("diagnose-log", paths[0], str(tmp_path / "many.csv"), "--out", "mixed")
    assert code == 2
    assert "diagnose logs with other columns apart" in " ".join(err.split())


def test_no_sentence_stands_twice(cli, tmp_path, logs):
    _, out, _ = cli("diagnose-log", str(tmp_path / "one.csv"))
    assert " ".join(out.split()).count("PGD accuracy fell to") == 1
    page = (tmp_path / "log_diagnosis" / "report.html").read_text()
    lead = page[page.index("Verdict:") : page.index("Verdict:") + 2000]
    assert lead[: lead.index("What to do")].count("PGD accuracy fell to") == 1


def test_a_log_needs_neither_torch_nor_seaborn(tmp_path, logs):
    code = (
        "import sys; from cotoolkit.cli.app import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "print(sorted({'torch', 'seaborn', 'scipy', 'plotly', 'matplotlib.pyplot'} & sys.modules.keys()))"
    )
    words = ["diagnose-log", str(tmp_path / "one.csv"), "--out", str(tmp_path / "page")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_json_is_all_that_is_printed(cli, tmp_path, logs):
    code, out, err = cli("diagnose-log", str(tmp_path / "one.csv"), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["runs"][0]["verdict"] == "catastrophic overfitting"
    assert (tmp_path / "log_diagnosis" / "log_diagnosis.json").read_text().strip() == out.strip()


BAD = [
    ("none.csv", "no such log"),
    ("one.csv --pgd pgd20", "--pgd pgd20: no such column; the table has epoch, clean, fgsm, pgd"),
    ("one.csv --checkpoint 77", "has no row of that epoch"),
    ("one.csv --unit miles", "'miles' is not one of"),
    ("one.csv --unit train=percent", "'train' is not one of clean, fgsm, pgd"),
    ("one.csv one.csv", "is named twice; name each log once"),
    ("one.csv --pgd clean --clean clean", "column clean is named for pgd and for clean"),
    ("one.csv --pgd fgsm --fgsm pgd", "were the columns exchanged?"),
    ("many.csv --run epoch", "name it with --time COLUMN"),
    ("many.csv --run none", "--run none: no such column"),
    ("one.csv --out one.csv", "is a file; name a folder"),
    ("one.csv --out .", "holds files, and no log_diagnosis.json of before"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=[words for words, _ in BAD])
def test_bad_input_is_one_line(cli, tmp_path, logs, words, message):
    code, out, err = cli("diagnose-log", *words.split())
    assert code == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in out + err
