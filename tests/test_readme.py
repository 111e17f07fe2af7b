"""The Python examples of the README and of docs/pieces.md run as printed."""

import re
from pathlib import Path

import torch

from tests._helpers.networks import conv_net

ROOT = Path(__file__).parents[1]


def blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


BLOCKS, PIECES = blocks("README.md"), blocks("docs/pieces.md")


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


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
    exec(PIECES[0], names)
    assert set(names["mixtures"]["model"]) == {"start", "clean", "robust"}
    assert len(names["features"]) > 50


def test_the_example_of_the_three_systems_runs():
    names = {"losses": torch.rand(16), "held_out_errors": torch.rand(200).round().numpy()}
    names |= {"mask": torch.eye(4).numpy() == 0, "correct": torch.eye(4).numpy() == 0}
    exec(PIECES[1], names)
    assert abs(names["weights"].sum().item() - 1) < 1e-12
    assert names["bound"].value > names["held_out_errors"].mean()
    assert names["found"].values.tolist() == [1.0] * 4
