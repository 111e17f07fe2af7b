"""`cotoolkit report`."""

import pytest

from cotoolkit.studies.study import find_study
from tests._helpers.made_pages import made_run, made_study


def test_a_run_and_a_study_by_the_start_of_their_names(cli, tmp_path):
    root = tmp_path / "runs"
    study = made_study(root)
    run = made_run(root, seed=9, breaks_at=100)
    code, out, err = cli("report", run.path.name.rpartition("-")[2][:6])
    assert code == 0, err
    assert "Robustness was lost at iteration 100" in out
    page = (run.path / "report" / "report.html").read_text()
    assert "around the breakpoint" in page
    code, out, err = cli("report", "made")
    assert code == 0, err
    assert "8 robust, 3 catastrophic overfitting" in out
    assert (study.folder(root) / "report" / "timeline.png").exists()
    assert find_study(root, str(study.folder(root))) == study
    assert cli("report", str(made_run(root, seed=10, state="new").path), "--out", "elsewhere")[0] == 0
    assert (tmp_path / "elsewhere" / "report.html").exists()


def test_a_name_that_several_things_share_is_refused_whatever_else_it_fits(cli, tmp_path):
    root = tmp_path / "runs"
    for name in ("digits-0", "digits-1"):
        folder = root / "studies" / name
        folder.mkdir(parents=True)
        (folder / "study.yaml").write_text("name: digits")
    made_run(root)
    code, _, err = cli("report", "digits")
    assert (code, err.count("\n")) == (2, 1)
    assert "2 studies match 'digits'" in err
    made_run(root, seed=1)
    (root / "studies" / "digits-1" / "study.yaml").unlink()
    code, _, err = cli("report", "digits")
    assert (code, err.count("\n")) == (2, 1)
    assert "2 runs match 'digits'" in err


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("nothing", "none of the 1 runs matches 'nothing'"),
        ("nothing", "0 studies match 'nothing'"),
        ("digits", "'digits' is the start of a run's name and of a study's"),
    ],
)
def test_neither_or_both_is_one_line(cli, tmp_path, key, message):
    made_run(tmp_path / "runs")
    folder = tmp_path / "runs" / "studies" / "digits-0"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("name: digits")
    code, out, err = cli("report", key)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
