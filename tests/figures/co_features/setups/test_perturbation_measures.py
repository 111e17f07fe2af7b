import pytest
import torch
from torch import nn

from cotoolkit.data.points import Points
from figures.co_features.setups.perturbation_measures import (
    curvature,
    hidden_on_the_way,
    perturbation_share,
    removed_energy,
    second_step,
)
from interventions.carriers import Paired
from tests._helpers.small import small


def test_cancelling_the_own_feature_is_1_and_all_of_the_energy():
    vectors, labels = Paired().vectors(10, (3, 8, 8)), torch.tensor([3, 7])
    delta = -0.1 * vectors[labels]
    found = perturbation_share(delta, labels, vectors, epsilon=0.1)
    assert torch.allclose(found.cancelled, torch.ones(2))
    assert torch.allclose(found.inside, torch.ones(2))
    other = perturbation_share(delta, (labels + 1) % 10, vectors, epsilon=0.1)
    assert torch.allclose(other.cancelled, torch.zeros(2), atol=1e-6)
    opposite = perturbation_share(delta, (labels + 5) % 10, vectors, epsilon=0.1)
    assert torch.allclose(opposite.cancelled, -torch.ones(2))


def test_random_signs_lie_in_the_span_by_rank_over_dimension():
    draws = torch.Generator().manual_seed(0)
    delta = torch.randint(2, (4000, 1, 8, 8), generator=draws).float() * 2 - 1
    vectors, labels = Paired().vectors(10, (1, 8, 8)), torch.randint(10, (4000,), generator=draws)
    found = perturbation_share(delta, labels, vectors, epsilon=1.0)
    assert float(found.inside.mean()) == pytest.approx(5 / 64, abs=0.004)
    assert float(found.cancelled.mean()) == pytest.approx(0, abs=0.01)


def test_curvature_is_the_mean_top_eigenvalue_of_the_exact_hessian():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    images, labels = torch.rand(5, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1])

    def largest(image, label):
        def loss(flat):
            return nn.functional.cross_entropy(model(flat.view(1, 1, 2, 2)), label[None])

        values = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, image.flatten()))
        return values[values.abs().argmax()]

    expected = torch.stack([largest(image, label) for image, label in zip(images, labels, strict=True)]).mean()
    assert curvature(model, images, labels, 0) == pytest.approx(float(expected), rel=0.02)


def test_the_second_step_of_a_linear_model_of_two_classes_is_the_first():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))  # its gradient has one direction everywhere
    points = Points(torch.rand(8, 1, 8, 8), torch.arange(8) % 2, 2)
    assert torch.allclose(second_step(model, points, small()), torch.ones(8))


def test_hidden_images_are_right_at_the_end_and_wrong_before():
    correct = torch.tensor(
        [[True, True, False, True], [True, False, False, True], [True, True, True, False], [False, True, True, True]]
    )
    assert hidden_on_the_way(correct, end=2) == 0.5  # the second and the third
    assert hidden_on_the_way(correct, end=1) == 0.0


def test_removed_energy_by_hand() -> None:
    images = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)
    assert removed_energy(images, torch.tensor([3.0, 0.0]).view(1, 1, 1, 2)) == pytest.approx(16 / 25)
