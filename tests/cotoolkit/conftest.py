import pytest

from tests._helpers.trained_networks import Trained, train_once


@pytest.fixture(scope="session")
def trained_networks(tmp_path_factory, worker_id):
    """A folder that all processes of these tests share."""
    return tmp_path_factory.getbasetemp().parent if worker_id != "master" else tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="session")
def standard(trained_networks) -> Trained:
    return train_once(trained_networks / "standard.safetensors", "standard", iterations=150)


@pytest.fixture(scope="session")
def robust(trained_networks) -> Trained:
    return train_once(trained_networks / "robust.safetensors", "pgd", epsilon=0.15, iterations=200)


@pytest.fixture(scope="session")
def overfitted(trained_networks) -> Trained:
    """FGSM on digits with an injected feature, which makes it overfit catastrophically."""
    return train_once(trained_networks / "overfitted.safetensors", "fgsm", injected=True)
