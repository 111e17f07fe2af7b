import pytest

from cotoolkit.training.run import run
from tests._helpers.kept_runs import KEPT
from tests._helpers.small import small


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A run without a break that kept four states of its weights."""
    config = small(intervention={"name": "inject", "carrier": "paired", "beta": 0.15}, box="none", keep=KEPT)
    return run(config, tmp_path_factory.mktemp("runs"), device="cpu")
