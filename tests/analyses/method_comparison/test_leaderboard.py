"""Records of the leaderboard: what is written is read, and what does not follow from its runs is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from analyses.method_comparison.leaderboard import (
    leaderboard_records,
    read_leaderboard,
    recorded_outcomes,
    write_leaderboard,
)
from analyses.method_comparison.leaderboard.records import RecordedMeans
from analyses.method_comparison.leaderboard.table import NOT_RECORDED
from analyses.method_comparison.plan import comparison_plan
from cotoolkit.core.errors import ConfigError
from cotoolkit.runs.folder import RunFolder
from tests._helpers.made_comparison import made_tables


@pytest.fixture
def records(tmp_path):
    plan = comparison_plan("digits", ["fgsm", "n_fgsm"], seeds=range(4))
    tables = made_tables(plan, {"fgsm": 4, "n_fgsm": 1})
    for run in plan.runs():
        RunFolder.of(tmp_path / "runs", run.config).write_environment("cpu")
    return leaderboard_records(plan, tables, tmp_path / "runs")


@pytest.fixture
def outcomes():
    plan = comparison_plan("digits", ["fgsm", "n_fgsm"], seeds=range(4))
    return made_tables(plan, {"fgsm": 4, "n_fgsm": 1})["outcomes"]


@pytest.fixture
def written(records, tmp_path):
    return write_leaderboard(records, tmp_path / "board")


def test_what_is_written_is_read(records, written, tmp_path):
    assert read_leaderboard(tmp_path / "board") == records
    assert read_leaderboard(written[0]) == records[:1]
    fgsm, n_fgsm = records
    assert (fgsm.method, fgsm.radius, fgsm.scale, fgsm.seeds) == ("fgsm", 0.25, "digits", (0, 1, 2, 3))
    assert (fgsm.overfitting.broke, fgsm.overfitting.of, fgsm.overfitting.high) == (4, 4, 1.0)
    assert fgsm.overfitting.low == pytest.approx(0.025 ** (1 / 4))
    assert fgsm.last.robust.mean == 0
    assert fgsm.best.robust.mean == pytest.approx(0.4)
    assert n_fgsm.last.robust.mean == pytest.approx(0.41 * 3 / 4)
    assert n_fgsm.last.autoattack.mean is None
    assert n_fgsm.cost.units == 2
    assert fgsm.environments[0]["device"] == "cpu"
    assert len(fgsm.environments) == 1
    assert fgsm.config(2).identity == fgsm.runs[2].identity


def test_records_give_the_outcomes_they_were_made_of(records, outcomes):
    found = recorded_outcomes(records[::-1])
    expected = outcomes.drop(columns=list(NOT_RECORDED))
    pd.testing.assert_frame_equal(found, expected[list(found)], check_dtype=False)


def test_seeds_of_two_records_are_put_together(records, outcomes):
    def part(record, *runs):
        return record.model_copy(update={"runs": tuple(record.runs[run] for run in runs)})

    found = recorded_outcomes([part(records[0], 3, 1), records[1], part(records[0], 0, 2)])
    assert found["run"].tolist() == outcomes["run"].tolist()


def test_a_method_in_two_settings_is_no_row(records):
    other = records[0].model_copy(update={"settings": {**records[0].settings, "alpha": 0.1}})
    with pytest.raises(ConfigError, match=r"fgsm stands there in two settings at ε 0\.25"):
        recorded_outcomes([*records, other])


def test_a_run_that_diverged_has_no_network(records):
    lost = records[0].runs[0].model_copy(update={"verdict": "diverged", "last": None, "best": None})
    (row,) = recorded_outcomes([records[0].model_copy(update={"runs": (lost,)})]).to_dict("records")
    assert row["state"] == "diverged"
    assert np.isnan(row["last_robust"])
    assert pd.isna(row["best_iteration"])


def test_means_by_hand(records):
    found = RecordedMeans.of_networks([run.last for run in records[1].runs])
    values = [0, 0.41, 0.41, 0.41]
    reach = 3.182446305284263 * np.std(values, ddof=1) / 2  # Student's t with three degrees of freedom
    assert found.robust.low == pytest.approx(max(np.mean(values) - reach, 0))
    assert found.robust.high == pytest.approx(np.mean(values) + reach)
    assert RecordedMeans.of_networks([None]).clean.mean is None


def of_iterations(runs, count):
    for run in runs:
        run["iterations"] = run["last"]["iteration"] = count


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(radius=0.2), "its settings have the identity"),
        (lambda r: r["settings"].update(name="pgd"), "settings are of 'pgd', not of 'fgsm'"),
        (lambda r: r["training"].update(epochs=25), "seed 0: its settings have the identity"),
        (lambda r: r["training"].update(epochs="many"), "epochs"),
        (lambda r: r["training"].update(surprise=1), "unknown setting 'surprise'"),
        (lambda r: r.update(method="fgms", settings={"name": "fgms"}), "unknown method 'fgms': did you mean"),
        (lambda r: r["runs"][1].update(seed=0), "a seed stands twice"),
        (lambda r: r.update(runs=[]), "runs"),
        (lambda r: r["runs"][0]["last"].update(robust=0.95), "robust accuracy 0.95 exceeds the clean one"),
        (lambda r: r["runs"][0]["last"].update(autoattack=0.5), "under AutoAttack 0.5 exceeds the robust one, 0"),
        (lambda r: r["runs"][0]["last"].update(robust=1.5), "less than or equal to 1"),
        (lambda r: r["best"]["robust"].update(mean=0.5), "best.robust.mean is 0.5, but the runs give 0.4"),
        (lambda r: r["last"]["clean"].update(low=None), "last.clean.low is None"),
        (lambda r: r["overfitting"].update(broke=0), "overfitting.broke is 0, but the runs give 4"),
        (lambda r: r["runs"][0].update(breakpoint=None), "'catastrophic overfitting', but it has no breakpoint"),
        (lambda r: r["runs"][0].update(verdict="robust"), "'robust', but it has the breakpoint 240"),
        (lambda r: r["runs"][0].update(verdict="diverged"), "'diverged', but it has accuracies of a last network"),
        (lambda r: r["runs"][0].update(last=None), "'catastrophic overfitting', but it has no last network"),
        (lambda r: r["runs"][0].update(verdict="fine"), "verdict"),
        (lambda r: r["runs"][0].update(breakpoint=481), "breakpoint is of iteration 481, but it had 480"),
        (lambda r: r["runs"][0]["best"].update(iteration=481), "best is of iteration 481, but it had 480"),
        (lambda r: r["runs"][0]["last"].update(iteration=479), "last is of iteration 479, but its last one is 480"),
        (lambda r: of_iterations(r["runs"][:1], 456), "iterations: 456 and 480 cannot all be those of 24 epochs"),
        (lambda r: of_iterations(r["runs"], 481), "iterations: 481 cannot all be those of 24 epochs"),
        (lambda r: r["protocol"].update(points=10_000), "protocol: its card has the hash"),
        (lambda r: r["cost"].update(time=-1), "cost.time"),
        (lambda r: r["cost"].update(time_low=9), "cost: time 1.8 is not between 9 and 2"),
        (lambda r: r["cost"].update(time_high=1), "cost: time 1.8 is not between 1.6 and 1"),
        (lambda r: r["cost"].update(backward=3), "cost.backward is 3, but a step of fgsm has 2"),
        (lambda r: r.update(environments=[{}]), "environments.0"),
        (lambda r: r.update(comment="ours is best"), "comment: no such setting"),
        (lambda r: r.pop("environments"), "environments: Field required"),
        (lambda r: r.update(format=2), "format"),
        (lambda r: r["training"].update(format=99), "format 99 is of another version"),
    ],
)
def test_a_record_that_does_not_follow_is_refused_in_one_line(written, change, message):
    record = json.loads(written[0].read_text())
    change(record)
    written[0].write_text(json.dumps(record))
    with pytest.raises(ConfigError) as failure:
        read_leaderboard(written[0])
    assert str(failure.value).startswith(f"{written[0]}: ")
    assert message in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": 1', "\x00"])
def test_what_is_no_record_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ConfigError, match=r"x\.json: ") as failure:
        read_leaderboard(tmp_path)
    assert "\n" not in str(failure.value)


def test_seeds_are_counted_once_and_folders_hold_records(written, tmp_path):
    (tmp_path / "board" / "more").mkdir()
    (tmp_path / "board" / "more" / "again.json").write_bytes(written[0].read_bytes())
    with pytest.raises(ConfigError, match=r"seed 0 of these settings stands in .* already"):
        read_leaderboard(tmp_path / "board")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no records"):
        read_leaderboard(tmp_path / "empty")
