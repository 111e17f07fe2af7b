"""The benchmark of thousands of runs, at small size: its runs are valid, and it writes what it measures."""

import json
import sys

import many_runs
import pandas as pd
import pytest
from many_runs_root import make_root, many_runs_study

from cotoolkit.core.files import write_atomically
from cotoolkit.runs.find import find_runs
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.tables.run_table import run_table
from cotoolkit.studies.study import find_study

COUNT = 130


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    make_root(root, many_runs_study(COUNT), COUNT)
    return root


def test_its_runs_are_finished_and_named_by_their_configurations(root):
    folders = find_runs(root)
    assert len(folders) == COUNT
    for folder in folders:
        assert folder.finished
        assert RunFolder.of(root, folder.config()).path == folder.path
        assert set(folder.metrics()["signal"]) >= {"probe_fgsm", "probe_pgd"}
        broken = folder.result()["breakpoint"]
        assert [event["iteration"] for event in folder.events()] == ([broken["iteration"]] if broken else [])
    verdicts = run_table(folders)["verdict"]
    assert set(verdicts) == {"robust", "catastrophic overfitting"}


def test_a_study_reads_its_table_as_run_table_does(root):
    study = find_study(root, "many")
    table = study.write_table(root)
    assert (study.write_table(root)["run"] == table["run"]).all()
    direct = run_table(study.folders(root)).assign(study=study.name, scale=study.scale)
    pd.testing.assert_frame_equal(table, direct)


def test_it_prints_and_writes_its_figures(root, tmp_path, monkeypatch, capsys):
    """Without the processes that it would start, which take a minute."""
    page = find_study(root, "many").folder(root) / "report" / "report.html"

    def spent(code, *words):
        if words[:1] == ("report",):
            write_atomically(page, b"x" * 2_500_000)
        return {"wall": 2.0, "cpu": 1.0}

    monkeypatch.setattr(many_runs, "spent", spent)
    words = ["many_runs.py", "--root", str(root), "--count", str(COUNT), "--out", str(tmp_path / "figures.json")]
    monkeypatch.setattr(sys, "argv", words)
    many_runs.main()
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["count"] == COUNT
    assert found["figures"][-1] == {"what": "size of the page", "aim": many_runs.LARGEST_PAGE, "megabytes": 2.5}
    assert all(row["cpu"] == 1.0 for row in found["figures"][:-1])
    assert len(capsys.readouterr().out.splitlines()) == len(found["figures"])
    monkeypatch.setattr(sys, "argv", [*words, "--count", "7"])
    with pytest.raises(SystemExit, match="holds 130 runs, not 7"):
        many_runs.main()
