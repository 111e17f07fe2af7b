"""What `run` refuses in one line: what is no configuration, and methods of one's own that do not train."""

import pytest
import torch

from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import FGSM, StepRecord
from cotoolkit.training.run import run
from tests._helpers.small import small


def test_what_is_no_configuration_is_refused_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match="config: a dict; give a RunConfig"):
        run({"data": "digits"}, tmp_path)
    assert not list(tmp_path.iterdir())


def without_a_record(self, model, batch, update):
    update(model(batch.images).sum())


def without_an_update(self, model, batch, update):
    return StepRecord(torch.zeros(1), torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("step", "problem"),
    [(without_a_record, "step returned a NoneType, not a StepRecord"), (without_an_update, "did not call update")],
)
def test_a_method_of_one_s_own_that_does_not_train_is_refused(step, problem, tmp_path, monkeypatch):
    monkeypatch.setattr(FGSM, "step", step)
    with pytest.raises(ConfigError, match=f"method fgsm: .*{problem}"):
        run(small(), tmp_path, device="cpu")
