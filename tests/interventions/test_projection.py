import numpy as np
import pytest
import torch

from interventions import (
    Given,
    Inject,
    InterventionError,
    Paired,
    Project,
    ProjectThenInject,
    RandomOrthonormal,
    ReleasedProject,
    ReleasedRows,
    ZigZag,
    feature_coefficients,
    feature_share,
    remove_span,
    span_basis,
)

CIFAR = (3, 32, 32)


@pytest.fixture
def photos(generator):
    """Smooth images with a mean, (6, 3, 32, 32) float64 in [0, 1]."""
    coarse = torch.rand(6, 3, 4, 4, dtype=torch.float64, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=32, mode="bilinear")


def least_squares_residual(images, vectors):
    """What is left of each image after its best approximation by the vectors; rank-aware by itself."""
    matrix = vectors.flatten(1).double().numpy().T
    flat = images.flatten(1).double().numpy().T
    best, *_ = np.linalg.lstsq(matrix, flat, rcond=None)
    return torch.tensor((flat - matrix @ best).T.reshape(images.shape))


@pytest.mark.parametrize(
    ("carrier", "classes", "rank"),
    [(Paired(), 10, 5), (Paired(), 7, 4), (ZigZag(), 30, 30), (RandomOrthonormal(), 10, 10), (ReleasedRows(), 10, 6)],
)
def test_projection_is_the_least_squares_residual_with_the_right_rank(carrier, classes, rank, photos):
    v = carrier.vectors(classes, CIFAR, torch.float64)
    assert len(span_basis(v)) == rank
    assert len(span_basis(v.float())) == rank
    projected, _ = Project(carrier)(photos, classes=classes)
    torch.testing.assert_close(projected, least_squares_residual(photos, v), atol=1e-10, rtol=0)
    torch.testing.assert_close(Project(carrier)(projected, classes=classes)[0], projected)
    assert (projected - photos).abs().max() > 1e-4
    assert (projected.flatten(1) @ v.flatten(1).mT).abs().max() < 1e-9
    killed, _ = Project(carrier)(v, classes=classes)
    assert killed.abs().max() < 1e-10  # of sums over 3072 entries, in any order


def test_a_span_of_dependent_vectors_survives_rounding_to_float32(generator):
    mixing = torch.randn(10, 5, dtype=torch.float64, generator=generator)
    directions = torch.randn(5, 3072, dtype=torch.float64, generator=generator)
    vectors = (mixing @ directions).reshape(10, *CIFAR)
    assert len(span_basis(vectors)) == 5
    assert len(span_basis(vectors.float())) == 5


def exact_rank(signs):
    """Rank of whole numbers (n, d) by elimination modulo a prime, without round-off."""
    prime = 2_147_483_629
    rows, rank = signs.numpy().astype(np.int64) % prime, 0
    while len(rows):
        rows = rows[rows.any(axis=1)]
        if not len(rows):
            break
        lead, rank = int(rows[0].nonzero()[0][0]), rank + 1
        pivot = rows[0] * pow(int(rows[0, lead]), -1, prime) % prime
        rows = (rows[1:] - rows[1:, lead, None] * pivot % prime) % prime
    return rank


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 20), (1, 28, 28), (3, 32, 32), (1, 64, 64)])
@pytest.mark.parametrize("classes", [2, 3, 20, 100])
def test_the_rank_is_exact_whatever_the_round_off_of_the_vectors(shape, classes, generator):
    carriers = [Paired(), Paired(band="high"), ZigZag(), ReleasedRows()]
    if classes == 100:
        carriers = [Paired()] if shape == (1, 8, 8) else [Paired(), ReleasedRows()]  # too few vectors; large matrices
    for carrier in carriers:
        vectors = carrier.vectors(classes, shape, torch.float64)
        rank = exact_rank(vectors[:, 0].flatten(1))
        for noise in (0.0, 1e-15, 1e-13):
            noisy = vectors * (1 + noise * torch.randn(vectors.shape, dtype=torch.float64, generator=generator))
            assert len(span_basis(noisy)) == rank, (carrier, noise)
        rounded = (vectors * (1 + 1e-7 * torch.randn(vectors.shape, generator=generator))).float()
        assert len(span_basis(rounded)) == rank, carrier


@pytest.mark.parametrize("carrier", [Paired(wave="cosine"), ZigZag(wave="cosine"), RandomOrthonormal()])
@pytest.mark.parametrize(("shape", "classes"), [((1, 8, 8), 2), ((1, 12, 12), 41), ((3, 28, 28), 100)])
def test_the_rank_of_vectors_that_are_not_signs(carrier, shape, classes, generator):
    vectors = carrier.vectors(classes, shape, torch.float64)
    rank = (classes + 1) // 2 if carrier.name == "paired" else classes
    for dtype in (torch.float64, torch.float32):
        for noise in (0.0, 1e-15, 1e-13):
            noisy = vectors.to(dtype) * (1 + noise * torch.randn(vectors.shape, dtype=dtype, generator=generator))
            assert len(span_basis(noisy)) == rank


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_projection_with_the_papers_ten_is_the_formula_with_its_five(dtype, shape, generator):
    images = torch.rand(20, *shape, dtype=dtype, generator=generator)
    half = Paired().vectors(10, shape, torch.float64)[:5].flatten(1)
    assert torch.equal(half @ half.mT, half.shape[1] * torch.eye(5, dtype=torch.float64))  # orthogonal
    flat = images.double().flatten(1)
    expected = (flat - flat @ half.mT @ half / half.shape[1]).reshape(images.shape)
    atol = 1e-11 if dtype == torch.float64 else 1e-4
    torch.testing.assert_close(Project("paired")(images, classes=10)[0].double(), expected, atol=atol, rtol=0)
    labels = torch.arange(20) % 10
    feature = 0.1 * Paired().vectors(10, shape, torch.float64)[labels]
    both, _ = ProjectThenInject("paired", beta=0.1)(images, labels, classes=10)
    torch.testing.assert_close(both.double(), expected + feature, atol=atol, rtol=0)


def test_a_short_vector_counts_like_a_long_one_and_a_zero_vector_not_at_all():
    vectors = torch.zeros(4, 1, 2, 2)
    vectors[0, 0, 0, 0], vectors[1, 0, 1, 1], vectors[3, 0, 0, 0] = 1e3, 1e-6, -5
    assert len(span_basis(vectors)) == 2
    assert len(span_basis(vectors[2:3])) == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_projection_keeps_the_constant_image_where_the_released_one_may_not(dtype):
    constant = torch.full((1, *CIFAR), 0.7, dtype=dtype)
    torch.testing.assert_close(Project("paired")(constant, classes=10)[0], constant)


def test_released_projection_removes_ten_directions_where_there_are_five(photos):
    """The fault: the trace of x -> x - released(x) counts its directions, ten; the intended has five."""
    identity = torch.eye(3072, dtype=torch.float64).reshape(-1, *CIFAR)
    trace = {
        name: (identity - kind("paired")(identity, classes=10)[0]).flatten(1).trace().item()
        for name, kind in (("released", ReleasedProject), ("intended", Project))
    }
    assert trace["released"] == pytest.approx(10, abs=1e-3)
    assert trace["intended"] == pytest.approx(5, abs=1e-9)
    released, _ = ReleasedProject("paired")(photos, classes=10)
    v = Paired().vectors(10, CIFAR, torch.float64)
    assert feature_coefficients(released, v).abs().max() < 1e-6
    # For vectors of full rank there is nothing to go wrong.
    torch.testing.assert_close(
        ReleasedProject("zigzag")(photos, classes=10)[0], Project("zigzag")(photos, classes=10)[0], atol=1e-5, rtol=0
    )


def test_project_then_inject_leaves_the_feature_alone_in_its_span(photos):
    labels = torch.arange(6)
    out, out_labels = ProjectThenInject("paired", beta="8/255")(photos, labels, classes=10)
    two_steps = Inject("paired", "8/255")(Project("paired")(photos, classes=10)[0], labels, classes=10)[0]
    torch.testing.assert_close(out, two_steps)
    assert torch.equal(out_labels, labels)
    v = Paired().vectors(10, CIFAR, torch.float64)
    coefficients = feature_coefficients(out, v)
    expected = 8 / 255 * (torch.eye(10) - torch.eye(10).roll(5, 0))[labels].double()  # v_{c+5} = -v_c
    torch.testing.assert_close(coefficients, expected, atol=1e-12, rtol=0)


def test_coefficients_by_hand():
    vectors = torch.tensor([[[[1.0, 1.0]]], [[[2.0, 0.0]]]])
    images = torch.tensor([[[[3.0, 5.0]]], [[[-1.0, 1.0]]]])
    # <x, v> / <v, v>: (3 + 5) / 2, 6 / 4; 0, -2 / 4
    assert feature_coefficients(images, vectors).tolist() == [[4.0, 1.5], [0.0, -0.5]]


def test_feature_share(generator):
    v = Paired().vectors(10, CIFAR)
    assert feature_share(v, v).tolist() == pytest.approx([1.0] * 10, abs=1e-4)  # float32, 3072 entries
    outside = Project("paired")(torch.randn(4, *CIFAR, generator=generator), classes=10)[0]
    assert feature_share(outside, v).max() < 1e-9
    half = v[:1] / v[:1].norm() + outside[:1] / outside[:1].norm()
    assert feature_share(half, v).item() == pytest.approx(0.5, abs=1e-4)
    signs = torch.randint(0, 2, (2000, *CIFAR), generator=generator) * 2.0 - 1
    assert feature_share(signs, v).mean().item() == pytest.approx(5 / 3072, rel=0.05)
    assert feature_share(torch.zeros(1, *CIFAR), v).isnan().all()


def test_a_perturbation_that_cancels_the_feature_has_signed_coefficient_minus_epsilon():
    v = Paired().vectors(10, CIFAR, torch.float64)
    assert feature_coefficients(-0.03 * v[3:4], v)[0, 3].item() == pytest.approx(-0.03)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_projected_in_float32(dtype, photos):
    images = photos.to(dtype)
    basis = span_basis(Paired().vectors(10, CIFAR)).float()
    expected = remove_span(images.float(), basis).to(dtype)
    assert torch.equal(Project("paired")(images, classes=10)[0], expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_in_float32(dtype):
    v = Paired().vectors(10, (3, 160, 160))  # whose squared norm is no number in half precision
    delta = (0.125 * v).to(dtype)
    assert feature_coefficients(delta, v.to(dtype)).diagonal().tolist() == pytest.approx([0.125] * 10, abs=1e-6)
    assert feature_share(delta, v).tolist() == pytest.approx([1.0] * 10, abs=1e-3)


@pytest.mark.parametrize("size", [1e-30, 1e-22, 1.0, 1e22])
def test_the_share_of_a_perturbation_does_not_depend_on_its_size(size, generator):
    v = Paired().vectors(10, CIFAR)
    delta = v[:3] + torch.randn(3, *CIFAR, generator=generator)
    shares = feature_share(size * delta, v)
    assert shares.tolist() == pytest.approx(feature_share(delta, v).tolist(), rel=1e-5)
    assert feature_share(size * v, v).max() <= 1


@pytest.mark.parametrize("read", [feature_coefficients, feature_share, remove_span])
def test_whole_numbers_and_other_shapes_are_refused(read):
    vectors = torch.rand(2, 3, 8, 8)
    for dtype in (torch.uint8, torch.int64, torch.bool):
        with pytest.raises(
            InterventionError, match=r"must be floating, in \[0, 1\], not torch\..*; divide pixel levels"
        ):
            read(torch.ones(2, 3, 8, 8).to(dtype), vectors)
    for shape in ((2, 8, 8, 3), (2, 1, 8, 24), (2, 3, 4, 16), (2, 3, 8, 9)):
        with pytest.raises(InterventionError, match=r"have the shape \(2, 3, 8, 8\); for these images it is \(n, "):
            read(torch.rand(shape), vectors)


def test_projection_needs_the_number_of_classes_unless_the_carrier_has_it():
    images = torch.rand(2, 1, 1, 2)
    with pytest.raises(InterventionError, match="carrier paired needs the number of classes"):
        Project("paired")(images)
    line = Given([[[[1.0, 1.0]]]])
    for kind in (Project, ReleasedProject):
        out, _ = kind(line)(images)
        torch.testing.assert_close(out.sum(dim=3), torch.zeros(2, 1, 1), atol=1e-6, rtol=0)
