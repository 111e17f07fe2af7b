"""`cotoolkit analyse` on tiny runs."""

import shutil

import pandas as pd
import pytest

from cotoolkit.training.run import run
from tests._helpers.small import small


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Standard training, PGD from its weights, standard on from its weights, and PGD from the start."""
    root = tmp_path_factory.mktemp("trained") / "runs"

    def train(method, **settings):
        return run(small(method=method, model={"name": "single_layer_cnn", "width": 6}, **settings), root, device="cpu")

    clean = train("standard")
    start = str(clean.checkpoint_path("last"))
    folders = {"clean": clean, "other": train("pgd")}
    folders["robust"] = train("pgd", initial=start)
    folders["control"] = train("standard", initial=start)
    return root, {name: folder.path.name for name, folder in folders.items()}


@pytest.fixture
def runs(cli, trained, tmp_path, monkeypatch):
    """Names of the trained runs, which stand where commands look for them; pages have coarse pictures."""
    monkeypatch.setattr("analyses.features.attributions.integrated_gradients.MOST_PARTS", 2)
    monkeypatch.setattr("cotoolkit.pages.write.RESOLUTION", 30)
    root, names = trained
    shutil.copytree(root, tmp_path / "runs")
    return names


@pytest.mark.slow
def test_mixtures_writes_tables_pictures_and_a_page(cli, runs, tmp_path):
    code, out, err = cli("analyse", "mixtures", runs["clean"], runs["other"], "--out", "m")
    assert code == 0, err
    assert "clean reference: standard:last; robust reference: pgd:last" in out
    table = pd.read_parquet(tmp_path / "m" / "mixture_table.parquet")
    assert set(table["model"]) == {"start", "standard:last", "pgd:last"}
    assert (tmp_path / "m" / "report.html").read_text().count("<img") >= 6
    assert (tmp_path / "m" / "layers.svg").exists()


@pytest.mark.slow
def test_features_writes_tables_pictures_and_a_page(cli, runs, tmp_path):
    code, _, err = cli("analyse", "features", runs["clean"], runs["other"], "--out", "f", "--points", "10")
    assert code == 0, err
    table = pd.read_csv(tmp_path / "f" / "feature_table.csv")
    assert {"input_gradient_high_share", "filter_high_frequency_share"} <= set(table["statistic"])
    assert (tmp_path / "f" / "attributions.png").exists()


def test_purification_of_networks_reports_five_items(cli, runs, tmp_path):
    words = ["--dictionary", runs["other"], "--control", runs["control"], "--out", "p"]
    code, _, err = cli("analyse", "purification", runs["clean"], runs["robust"], *words)
    assert code == 0, err
    verdicts = pd.read_csv(tmp_path / "p" / "verdicts.csv")
    assert list(verdicts.columns) == ["layer", "angle", "shared_removal", "sparser", "causal", "control"]
    assert set(verdicts.drop(columns="layer").to_numpy().ravel()) <= {"holds", "fails", "open"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("mixtures nothing other", "none of the 0 runs matches 'nothing'"),
        ("mixtures a:nowhere b", "none of the 0 runs matches 'a'"),
        ("purification a b c", "takes two networks, CLEAN and ROBUST, or none, not 3"),
        ("purification --scale huge", "'huge' is not one of"),
        ("across-break --scale huge", "'huge' is not one of"),
        ("features a:last b:last --points 3", "Invalid value for '--points'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(cli, words, message):
    code, out, err = cli("analyse", *words.split())
    assert code == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in out + err
