"""What the command line says of trainings."""

import sys

from cotoolkit.cli.display import breakpoint_advice
from cotoolkit.studies.study import Study, find_study
from tests._helpers.own_part import CODE, MODULE, forget


def test_a_breakpoint_that_lasts_is_told_with_what_to_do():
    warned, broken = {"kind": "suspicion", "iteration": 3112}, {"kind": "breakpoint", "iteration": 3120, "detail": {}}
    (line,) = breakpoint_advice([broken, warned])
    assert line == (
        "catastrophic overfitting at iteration 3,120: go back to checkpoint before_break, continue with N-FGSM or a "
        "smaller radius"
    )
    assert breakpoint_advice([]) == breakpoint_advice([warned]) == []
    assert breakpoint_advice([broken, {"kind": "recovered", "iteration": 3200}]) == []
    assert breakpoint_advice([broken, {"kind": "rolled back", "iteration": 3000}]) == []


def test_help_shows_lists_as_they_are_typed(cli):
    _, out, _ = cli("study", "run", "--help")
    assert "method=[fgsm,n_fgsm] epsilon=[4/255,8/255]" in " ".join(out.split())
    assert "[a,b] and 0..4 are several values" in " ".join(out.split())


def test_a_method_of_ones_own_is_known_to_later_commands_and_harms_no_other_run(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / f"{MODULE}.py").write_text(CODE)
    small = {"data": {"name": "digits", "train_size": 64, "test_size": 40}, "model": {"name": "mlp", "hidden": [8]}}
    base = {**small, "epochs": 1, "batch_size": 32, "evaluation": ("clean",), "monitor": {"interval": 0}}
    words = [f"{name}={value}" for name, value in base.items() if name in ("epochs", "batch_size")]
    words += ["data=digits", "data.train_size=64", "data.test_size=40", "model=mlp", "model.hidden=(8,)"]
    words += ["evaluation=(clean,)", "monitor.interval=0", "--device", "cpu"]
    assert cli("train", f"method={MODULE}:half_step", *words)[0] == 0
    assert cli("train", "method=fgsm", *words)[0] == 0
    mine = Study(name="mine", base={**base, "method": "half_step"})
    for study in (mine, Study(name="theirs", base={**base, "method": "fgsm"})):
        study._begin(study.folder("runs"))  # as training does, which has been done already
    file = mine.folder("runs") / "study.yaml"
    forget()
    code, out, err = cli("study", "list")
    assert code == 0, err
    assert [line.split()[1:3] for line in out.splitlines()[2:]] == [["1", "1"], ["1", "1"]]
    assert find_study("runs", "mine").imports == (MODULE,)
    for command in ("runs show digits-mlp-half", "study show mine --json", "runs export method=half_step --out a.csv"):
        forget()
        assert cli(*command.split())[0] == 0

    forget()
    (tmp_path / f"{MODULE}.py").rename(tmp_path / "moved.py")
    code, out, err = cli("study", "list")
    assert code == 1
    assert "theirs" in out
    assert "mine" not in out
    assert " ".join(err.split()).startswith(f"error: left out: {file}: {MODULE}: no module")
    code, out, err = cli("runs", "export", "--out", "a.csv")
    assert code == 1
    assert "1 row: a.csv" in out
    assert err.count("left out: ") == 1
    assert "damaged" not in err
    assert "half_step" in cli("runs", "list")[1]
