"""A user's own function as an intervention."""

import sys

import pytest
import torch

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import UnknownName
from interventions import Compose, Inject, InterventionError, OwnIntervention, parse_intervention

CODE = """
def brighter(images, labels, beta):
    return images + beta * labels[:, None, None, None]

def cut(images, labels, beta):
    return images[:, :, 1:]

def broken(images, labels, beta):
    raise KeyError("nothing here")
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "change_of_mine.py").write_text(CODE)
    yield
    sys.modules.pop("change_of_mine", None)


def test_the_function_is_called_with_labels_and_strength():
    images, labels = torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 2])
    changed, same = OwnIntervention("change_of_mine:brighter", beta=0.5)(images, labels, classes=3)
    assert torch.equal(changed, images + torch.tensor([0.0, 0.5, 1.0])[:, None, None, None])
    assert same is labels


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("change_of_mine:cut", InterventionError, r"must return images of shape \(2, 1, 4, 4\), not \(2, 1, 3, 4\)"),
        ("change_of_mine:broken", InterventionError, "failed: KeyError: 'nothing here'"),
        ("change_of_mine:absent", ConfigError, "'absent' does not exist"),
        ("no_such_module_of_mine:f", ConfigError, "no module 'no_such_module_of_mine'"),
    ],
)
def test_what_goes_wrong_is_one_line(target, error, message):
    with pytest.raises(error, match=message) as caught:
        OwnIntervention(target)(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]))
    assert "\n" not in str(caught.value)


def test_text_with_a_colon_is_own_code():
    assert parse_intervention("change_of_mine:brighter") == OwnIntervention("change_of_mine:brighter")
    with_beta = {"name": "change_of_mine:brighter", "beta": "8/255"}
    assert parse_intervention(with_beta) == OwnIntervention("change_of_mine:brighter", beta=8 / 255)
    assert parse_intervention({"name": "inject", "carrier": "paired", "beta": 0.1}) == Inject("paired", beta=0.1)
    assert Compose(["change_of_mine:brighter"]).parts == (OwnIntervention("change_of_mine:brighter"),)
    with pytest.raises(UnknownName):
        parse_intervention("injekt")


def test_it_is_part_of_a_run_and_its_identity():
    config = RunConfig.parse({"intervention": {"name": "change_of_mine:brighter", "beta": 0.1}})
    assert config.to_data()["intervention"] == {"name": "own", "target": "change_of_mine:brighter", "beta": 0.1}
    assert RunConfig.parse(config.to_data()) == config
    other = RunConfig.parse({"intervention": {"name": "change_of_mine:brighter", "beta": 0.2}})
    assert other.identity != config.identity
