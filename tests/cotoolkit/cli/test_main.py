from importlib.metadata import EntryPoint

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from cotoolkit.cli import app
from tests._helpers.small import small

TINY = [
    "data={name: digits, train_size: 320, test_size: 60}",
    "model={name: small_cnn, width: 4}",
    "epsilon=0.1",
    "epochs=1",
    "batch_size=64",
    "monitor={interval: 5, points: 40, steps: 3}",
    "evaluation=(clean,pgd-50)",
]


BAD_INPUT = [
    ("train metod=fgsm", "unknown setting 'metod'"),
    ("train method=fgms", "did you mean fgsm"),
    ("train data=digts", "did you mean digits"),
    ("train epsilon=-1/255", "greater than or equal to 0"),
    ("train epsilon=abc", "not a number: 'abc'"),
    ("train epsilon=[0.1,0.2]", "epsilon has 2 values; `study run` trains grids"),
    ("train epsilon", "'epsilon' is not a setting"),
    ("train intervention.beta=0.1", "without an intervention"),
    ("train intervention=inject intervention.beta=0.1", "needs a carrier"),
    ("train --config none.yaml", "no such file"),
    ("train data=cifar10", "COTOOLKIT_DATA"),
    ("train data=folder:nowhere", "nowhere does not exist; name the folder that holds train and test"),
    ("train data=folder:", "names no folder; write folder:PATH"),
    ("train model=nowhere:net", "no module 'nowhere'"),
    ("train batch_size=4000", "does not fit"),
    ("study run seed=3..1", "the range is empty"),
    ("study run seed=0..99999999999", "the range has 100000000000 values, at most 100000"),
    ("study run seed=0..9999 epsilon=[1/255,2/255]", "the grid has 20,000 runs; give --yes to train that many"),
    ("study run --name ../../x seed=0", "is no name"),
    ("train data=digits epochs=true", "epochs: not a whole number: True"),
    ("train data=digits monitor.gap=true", "monitor.gap: not a number: True"),
    ("train data=digits schedule.milestones=(nan)", "not a finite number"),
    ("train data=digits evaluation=(pgd-1000000000)", "takes 1000000000 gradients a point"),
    ("interventions preview inject carrier=paired beta=[0.1,0.2]", "beta has 2 values"),
    ("study run --file none.yaml", "no such study file"),
    ("study show none", "0 studies match 'none'"),
    ("runs show none", "none of the 0 runs matches 'none'"),
    ("runs compare", "no runs here"),
    ("runs export --out table.txt", "end the name in .csv, .parquet or .tex"),
    ("interventions preview lowpass", "did you mean low_pass"),
    ("interventions preview low_pass --out picture.gif", "end the name in .png"),
    ("nothing", "No such command 'nothing'"),
    ("train --device tpu", "'tpu' is not one of"),
]


@pytest.mark.parametrize(("words", "message"), BAD_INPUT, ids=[words for words, _ in BAD_INPUT])
def test_bad_input_is_one_line_and_exit_code_2(cli, monkeypatch, words, message):
    monkeypatch.delenv("COTOOLKIT_DATA", raising=False)
    code, out, err = cli(*words.split())
    assert code == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in out + err
    if err.startswith("error:"):
        assert err.count("\n") == 1


OWN_LABELS = """
import numpy as np
def data(train):
    return np.zeros((40, 1, 8, 8), np.uint8), {labels}
"""


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("np.eye(4)[np.arange(40) % 4]", "labels are one-hot, (40, 4); give class numbers: labels.argmax(1)"),
        ("['cat', 'dog'] * 20", "labels must be whole numbers, one per image; they are 'cat'"),
        ("np.arange(40) % (3 if train else 4)", "label 3 is none of the training set, which has 0, 1, 2"),
    ],
    ids=["one-hot", "strings", "unknown"],
)
def test_labels_that_are_none_are_one_line_and_exit_code_2(cli, tmp_path, monkeypatch, labels, message):
    monkeypatch.syspath_prepend(tmp_path)
    module = f"own_labels_{len(labels)}"
    (tmp_path / f"{module}.py").write_text(OWN_LABELS.format(labels=labels))
    code, _, err = cli("train", f"data={module}:data", "epochs=1")
    assert code == 2
    assert message in " ".join(err.split())
    assert err.count("\n") == 1


def test_lists(cli):
    for words, names in (
        (["methods"], ["gradalign", "n_fgsm", "rs_fgsm", "standard"]),
        (["interventions", "list"], ["inject", "low_pass", "paired", "zigzag"]),
        (["datasets"], ["digits", "fashion_mnist", "folder:PATH"]),
        (["models"], ["small_cnn", "preact_resnet18"]),
        (["--help"], ["demo", "train", "study"]),
    ):
        code, out, _ = cli(*words)
        assert code == 0
        assert all(name in out for name in names)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_preview_writes_a_picture(cli, tmp_path, suffix):
    words = f"interventions preview inject carrier=paired beta=0.15 --images 3 --out a.{suffix}".split()
    assert cli(*words)[0] == 0
    assert (tmp_path / f"a.{suffix}").stat().st_size > 5000


def test_networks_besides_the_trained_one_are_rows_below_it(cli, tmp_path):
    code, out, _ = cli("train", *TINY, "method=ema", "method.inner=n_fgsm")
    assert code == 0
    (row,) = (line for line in out.splitlines() if line.split()[:1] == ["averaged"])
    assert row.count("%") == 2
    assert "AVERAGED" not in out
    assert cli("runs", "export", "--out", "a.csv")[0] == 0
    table = pd.read_csv("a.csv")
    parts = ("", "_low", "_high", "_hash")
    assert {f"averaged:{name}{part}" for name in ("clean", "pgd-50") for part in parts} <= set(table)
    (folder,) = (tmp_path / "runs").glob("digits-*")
    assert (folder / "checkpoints" / "averaged.safetensors").exists()


def test_train_then_look_at_it(cli, tmp_path):
    code, out, _ = cli("train", *TINY)
    assert code == 0
    assert "PGD-50" in out
    (folder,) = (tmp_path / "runs").glob("digits-*")
    code, out, _ = cli("train", *TINY, "seed=1")
    assert code == 0

    code, out, _ = cli("runs", "list")
    assert (code, out.count("done")) == (0, 2)
    code, out, _ = cli("runs", "show", folder.name)
    assert code == 0
    assert "epsilon: 0.1" in out
    assert "checkpoints/last.safetensors" in out
    code, out, _ = cli("runs", "compare")
    assert code == 0
    assert "seed: 0, 1" in out or "seed: 1, 0" in out
    assert cli("runs", "compare", folder.name)[0] == 2
    for name, options, rows in (("a.csv", [], 2), ("b.parquet", [], 2), ("c.parquet", ["--metrics"], None)):
        assert cli("runs", "export", "--out", name, *options)[0] == 0
        table = pd.read_csv(name) if name.endswith("csv") else pd.read_parquet(name)
        assert rows is None or len(table) == rows
    assert set(table["signal"]) >= {"train_loss", "probe_pgd"}

    (folder / "config.yaml").write_text("a: [")
    code, out, err = cli("runs", "list")
    assert code == 1
    assert "damaged" in err
    assert out.count("done") == 1


def test_train_from_a_file_and_diverge(cli, tmp_path):
    (tmp_path / "a.yaml").write_text(small(learning_rate=1e6).to_yaml())
    code, out, _ = cli("train", "--config", "a.yaml", "seed=3")
    assert code == 0
    assert "diverged: the training loss is not finite" in out
    (tmp_path / "b.yaml").write_text("[1]")
    assert cli("train", "--config", "b.yaml")[0] == 2
    (tmp_path / "c.yaml").write_text("a: [")
    assert cli("train", "--config", "c.yaml")[0] == 2


@pytest.mark.slow
def test_a_study_runs_shows_and_fails_with_code_1(cli, tmp_path):
    words = [*TINY, "method=[fgsm,n_fgsm]", "--jobs", "1", "--name", "two", "--scale", "smoke"]
    code, out, _ = cli("study", "run", *words)
    assert code == 0
    assert "scale: smoke" in out
    (folder,) = (tmp_path / "runs" / "studies").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "study.yaml",
        "table.csv",
        "table.parquet",
        "timeline.png",
        "phase.png",
        "pictures.json",
    }
    code, out, _ = cli("study", "show", "two")
    assert code == 0
    assert "n_fgsm" in out
    file = str(folder / "study.yaml")
    code, out, err = cli("study", "run", "--file", file, "model=nowhere:net", "--jobs", "1")
    assert code == 1
    assert err.count("error: failed:") >= 2
    assert "no module 'nowhere'" in err


def test_ctrl_c_says_how_to_go_on(cli, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("cotoolkit.training.run.run", interrupted)
    code, _, err = cli("train", *TINY)
    assert code == 130
    assert "the same command goes on" in err


def test_a_plugin_that_cannot_be_loaded_is_named_and_the_other_commands_work(monkeypatch, capsys):
    plugins = [
        EntryPoint("broken", "nowhere.cli:app", app.PLUGINS),
        EntryPoint("methods", "cotoolkit.cli.catalogue:list_methods", app.PLUGINS),
        EntryPoint("runs", "cotoolkit.cli.runs:runs_commands", app.PLUGINS),
    ]
    monkeypatch.setattr(app, "entry_points", lambda group: [one for one in plugins if one.group == group])
    commands = typer.Typer()
    app.add_plugins(commands)
    (line,) = capsys.readouterr().err.splitlines()
    assert "no command broken: its plug-in nowhere.cli:app cannot be loaded: ModuleNotFoundError" in line
    result = CliRunner().invoke(commands, ["--help"])
    assert result.exit_code == 0
    assert "methods" in result.output
    assert "runs" in result.output
    assert "broken" not in result.output


def test_a_message_is_short_however_long_what_was_typed(cli):
    code, _, err = cli("train", f"method={5000 * 'x'}")
    assert code == 2
    assert len(err) < 1500
    assert "xxx…xxx" in err
