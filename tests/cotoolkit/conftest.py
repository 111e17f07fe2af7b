import pytest

from tests._helpers.trained_networks import Trained, train


@pytest.fixture(scope="session")
def standard() -> Trained:
    return train("standard", iterations=150)


@pytest.fixture(scope="session")
def robust() -> Trained:
    return train("pgd", epsilon=0.15, iterations=200)


@pytest.fixture(scope="session")
def overfitted() -> Trained:
    """FGSM on digits with an injected feature, which makes it overfit catastrophically."""
    return train("fgsm", injected=True)
