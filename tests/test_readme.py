"""The README's Python examples run as printed."""

import re
import sys
from pathlib import Path

import torch

from analyses.core.runner import StudyRunner
from figures.catalogue import find
from figures.make import make
from tests._helpers.networks import conv_net

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(), re.DOTALL)


def test_the_study_example_is_a_valid_study():
    names = {"__name__": "readme"}
    exec(BLOCKS[0], names)
    assert len(names["study"].runs()) == 18
    assert len(BLOCKS[0].splitlines()) <= 15


def test_the_parts_example_runs(capsys):
    images, labels = torch.rand(20, 1, 6, 6), torch.arange(20) % 10
    names = {"model": conv_net(classes=10), "images": images, "labels": labels}
    exec(BLOCKS[1], names)
    assert names["found"].card["protocol"]["restarts"] == 10
    assert "Accuracy(value=" in capsys.readouterr().out


def test_the_monitor_example_runs():
    images, labels = torch.rand(20, 1, 6, 6), torch.arange(20) % 10
    names = {"model": conv_net(classes=10), "images": images, "labels": labels, "loader": [(images, labels)] * 3}
    names["train_step"] = lambda x, y: (y.float(), y.float() + 1)
    exec(BLOCKS[2], names)
    assert names["monitor"].iteration == 3
    assert not names["monitor"].broken


def test_the_diagnosis_example_runs(capsys):
    images, labels = torch.rand(20, 1, 6, 6), torch.arange(20) % 10
    names = {"model": conv_net(classes=10), "images": images, "labels": labels}
    exec(BLOCKS[3], names)
    verdict = names["diagnosis"].verdict
    assert capsys.readouterr().out == f"{verdict.label} {verdict.confidence}\n"
    assert verdict.label != "robust"  # the labels are arbitrary


def test_the_mixtures_example_runs():
    images, labels = torch.rand(20, 1, 6, 6), torch.arange(20) % 10
    names = {name: conv_net(classes=10) for name in ("start", "clean", "robust")}
    names |= {"images": images, "labels": labels}
    exec(BLOCKS[4], names)
    assert set(names["mixtures"]["model"]) == {"start", "clean", "robust"}
    assert len(names["features"]) > 50


def test_the_example_of_the_three_systems_runs():
    names = {"losses": torch.rand(16), "held_out_errors": torch.rand(200).round().numpy()}
    names |= {"mask": torch.eye(4).numpy() == 0, "correct": torch.eye(4).numpy() == 0}
    exec(BLOCKS[5], names)
    assert abs(names["weights"].sum().item() - 1) < 1e-12
    assert names["bound"].value > names["held_out_errors"].mean()
    assert names["found"].values.tolist() == [1.0] * 4


def test_the_figure_of_ones_own_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("stripes.py").write_text(BLOCKS[6])
    (recipe,) = find("stripes.py")
    module = sys.modules.pop("stripes")
    small = module.STUDY.model_copy(update={"base": {**module.STUDY.base, "epochs": 1, "monitor": {"interval": 0}}})
    small = small.model_copy(update={"grids": ({"intervention.beta": (0.0, 0.2), "seed": (0, 1)},)})
    monkeypatch.setattr(module, "STUDY", small)
    record = make(
        recipe, "smoke", StudyRunner(tmp_path / "runs", tmp_path / "measured", jobs=1, device="cpu"), tmp_path
    )
    assert [claim.key for claim in record.claims] == ["breaks"]
    assert record.claims[0].verdict == "inconclusive"  # two seeds
    assert len(record.making.runs) == 4
    assert (tmp_path / "mine/stripes/smoke/figure.pdf").exists()
