import pytest

from cotoolkit import ThreatModel
from cotoolkit.evaluation.protocol import run_protocol
from tests._helpers.brought import POINTS, PROTOCOL


@pytest.fixture(scope="module")
def plain(robust):
    """The network, points and threat, and what is right."""
    images, labels = robust.images[:POINTS], robust.labels[:POINTS]
    return robust.model, images, labels, ThreatModel(robust.epsilon)


@pytest.fixture(scope="module")
def expected(plain):
    found = run_protocol(*plain, PROTOCOL)
    assert 0.2 < found.accuracy.value < 0.9  # there is something to be wrong about
    return found
