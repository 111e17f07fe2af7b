import os
import signal
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.studies.launchers.local import default_jobs
from cotoolkit.studies.study import Study, find_study
from tests._helpers.small import SMALL


def study(**fields):
    return Study(**{"name": "test", "base": SMALL, "grids": ({"seed": (0, 1)},), **fields})


def exploding_model(shape, classes):
    raise ValueError("no such luck")


def dying_model(shape, classes):
    os.kill(os.getpid(), signal.SIGKILL)


def aborting_model(shape, classes):
    os.abort()


def test_a_union_of_grids_names_each_run_once():
    grids = (
        {"method": ("fgsm", "pgd"), "seed": (0, 1)},
        {"method": ("pgd",), "seed": (1, 2)},
        {"method": ("n_fgsm",), "method.k": (1, 2)},
    )
    runs = study(grids=grids).runs()
    assert [(run.method.name, run.seed) for run in runs[:5]] == [
        ("fgsm", 0),
        ("fgsm", 1),
        ("pgd", 0),
        ("pgd", 1),
        ("pgd", 2),
    ]
    assert [run.method.k for run in runs[5:]] == [1, 2]


def test_numbers_of_any_kind_are_one_run_and_shown_as_people_write_them():
    several = study(grids=({"epsilon": [np.float32(0.1), 0.1, Fraction(1, 10), Decimal("0.1"), torch.tensor(0.1)]},))
    assert [run.epsilon for run in several.runs()] == [0.1]
    assert several.identity == study(grids=({"epsilon": (0.1,)},)).identity
    assert set(several.grids[0]["epsilon"]) == {0.1}
    levels = study(grids=({"epsilon": np.array([4, 8], dtype=np.float32) / 255}, {"epsilon": ("8/255", 8 / 255)}))
    assert [run.epsilon * 255 for run in levels.runs()] == [4, 8]
    strengths = study(base={**SMALL, "method": {"name": "pgd", "alpha": np.float32(0.1)}}, grids=({"seed": (0,)},))
    assert strengths.runs() == study(base={**SMALL, "method": {"name": "pgd", "alpha": 0.1}}, grids=({},)).runs()
    with pytest.raises(ConfigError, match="not a finite number"):
        study(grids=({"epsilon": (float("nan"),)},))


def test_identity_is_that_of_the_runs():
    assert study().identity == study(name="other", grids=({"seed": (1, 0)},)).identity
    assert study().identity != study(grids=({"seed": (0, 2)},)).identity


def test_a_bad_point_of_a_grid_is_one_line():
    with pytest.raises(ConfigError, match="unknown method 'fgms'"):
        study(grids=({"method": ("fgsm", "fgms")},)).runs()


def test_yaml_files(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("name: a\nbase: {data: digits}\ngrids: [{seed: [0, 1, 2]}]\n")
    assert len(Study.read(path).runs()) == 3
    for content, message in (("name: [", "cannot be read"), ("nme: a", "name: Field required")):
        path.write_text(content)
        with pytest.raises(ConfigError, match=message):
            Study.read(path)
    with pytest.raises(ConfigError, match="no such study file"):
        Study.read(tmp_path / "none.yaml")


def test_jobs_by_default():
    assert default_jobs("cuda") == 1
    assert default_jobs("cpu") >= 1


@pytest.mark.slow
def test_a_crash_is_told_by_its_signal(tmp_path):
    aborting = study(grids=({"model": ("tests.cotoolkit.studies.test_study:aborting_model",)},))
    table = aborting.run(tmp_path, jobs=1, device="cpu")
    assert table["state"].tolist() == ["failed"]
    (folder,) = aborting.folders(tmp_path)
    assert folder.reason == "its process died by SIGABRT; its output.log says more"
    assert "in aborting_model" in (folder.path / "output.log").read_text()


@pytest.mark.parametrize("name", ["a [b]", "q ü #", "50 %s {x} *"], ids=["brackets", "letters", "signs"])
def test_a_study_is_found_whatever_its_name(name, tmp_path):
    named = study(name=name)
    write_atomically(named.folder(tmp_path) / "study.yaml", yaml.safe_dump(named.model_dump(mode="json")).encode())
    assert find_study(tmp_path, name) == named


@pytest.mark.slow
def test_failures_are_listed_and_the_others_finish(tmp_path):
    models = (
        SMALL["model"],
        "tests.cotoolkit.studies.test_study:exploding_model",
        "tests.cotoolkit.studies.test_study:dying_model",
    )
    several = study(grids=({"model": models},))
    outcomes, updates = {}, []
    table = several.run(
        tmp_path,
        jobs=2,
        device="cpu",
        on_update=updates.append,
        on_outcome=lambda outcome: outcomes.update({outcome.config.model.name: outcome}),
    )
    assert table["state"].tolist() == ["done", "failed", "failed"]
    reasons = [outcome.reason for outcome in outcomes.values() if outcome.state == "failed"]
    assert len(outcomes) == 2  # both failing models are the user's own
    assert any("no such luck" in reason or "its process died" in reason for reason in reasons)
    folders = several.folders(tmp_path)
    assert "no such luck" in folders[1].reason
    assert folders[2].reason == "its process died by SIGKILL; out of memory?"
    assert {update.identity for update in updates} >= {several.runs()[0].identity}

    # Done runs are not trained again; failed ones are tried again.
    stamp = (folders[0].path / "result.json").stat().st_mtime_ns
    good = study(grids=({"model": models[:1]},))
    table = good.run(tmp_path, jobs=1, device="cpu")
    assert (folders[0].path / "result.json").stat().st_mtime_ns == stamp
    assert table["verdict"].isin(["robust", "not robust"]).all()

    # The study's tables and its way back from disk.
    written = pd.read_parquet(good.folder(tmp_path) / "table.parquet")
    assert written["run"].tolist() == table["run"].tolist()
    assert (good.folder(tmp_path) / "table.csv").exists()
    assert find_study(tmp_path, good.folder(tmp_path).name) == good
    with pytest.raises(RunError, match="2 studies match 'test'"):
        find_study(tmp_path, "test")
    assert find_study(tmp_path, str(good.folder(tmp_path) / "study.yaml")) == good
