"""Methods around an attack hand on what it remembers and what it refuses."""

import pytest
import torch

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import METHODS, RSFGSM, TrainingSet
from tests._helpers.networks import conv_net
from tests._helpers.stepping import batch, remembering, sgd

DATA = TrainingSet(20, (1, 6, 6), 4)

RUN = RunConfig(epsilon="8/255")


@pytest.mark.parametrize(
    "name", ["elle", "elle_a", "llr", "law", "dom", "benign", "holistic_robust", "hr_control", "local_ball"]
)
def test_an_inner_attack_remembers_and_refuses(name, monkeypatch):
    attack = RSFGSM.attack

    def counted(self, model, given):
        given.memory["steps"] += 1
        return attack(self, model, given)

    def check_data(self, images):
        if images != 20:
            raise ConfigError("twenty images")

    def check_config(self, config):
        raise ConfigError("no run is right")

    monkeypatch.setattr(RSFGSM, "attack", counted)
    monkeypatch.setattr(RSFGSM, "memory", lambda self, model, data, draws: {"steps": torch.tensor(data.images)})
    monkeypatch.setattr(RSFGSM, "check_data", check_data)
    monkeypatch.setattr(RSFGSM, "check_config", check_config)

    plain, method, model = METHODS.parse(name), METHODS.parse({"name": name, "inner": "rs_fgsm"}), conv_net()
    given = remembering(method, model, batch())
    assert given.memory.keys() == plain.memory(model, DATA, torch.Generator()).keys() | {"steps"}
    for step in (1, 2):
        method.step(model, given, sgd(model))
        assert given.memory["steps"] == 20 + step
    method.check_data(20)
    with pytest.raises(ConfigError, match="twenty images"):
        method.check_data(21)
    with pytest.raises(ConfigError, match="no run is right"):
        method.check_config(RUN)
    plain.check_data(21)
    plain.check_config(RUN)
