"""Methods whose loss takes the batch as a whole refuse to train where several processes hold parts of it."""

import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import METHODS
from tests._helpers.stepping import batch, stepped


@pytest.mark.parametrize("name", ["aaer", "atss", "gradsum", "hr_control", "lap", "law", "nuat"])
def test_they_train_in_one_process(name, monkeypatch):
    stepped(METHODS.parse(name), batch())
    monkeypatch.setattr("cotoolkit.methods._settings.one_process.rank_and_world", lambda: (0, 2))
    with pytest.raises(ConfigError, match=f"{name} trains in one process: "):
        stepped(METHODS.parse(name), batch())
