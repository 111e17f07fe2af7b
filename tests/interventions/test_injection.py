import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from interventions import (
    Given,
    Inject,
    InjectCorrelated,
    InjectIndependent,
    InjectPermuted,
    InjectReversed,
    InterventionError,
    Paired,
    ProjectThenInject,
    ZigZag,
)

BETA = 8 / 255


def injected_class(out, images, vectors):
    """Which class's vector each image got, from the difference alone."""
    difference = (out - images).flatten(1) / BETA
    match = torch.cdist(difference, vectors.flatten(1).to(difference)) < 1e-6
    assert (match.sum(dim=1) == 1).all()
    return match.int().argmax(dim=1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_injection_adds_beta_v_y_without_clipping(dtype, images, labels):
    images = images.to(dtype)
    out, out_labels = Inject("paired", beta="8/255")(images, labels, classes=10)
    v = Paired().vectors(10, (3, 8, 12), dtype)
    for x, y, x_out in zip(images, labels, out, strict=True):
        torch.testing.assert_close(x_out, x + BETA * v[y])
    assert torch.equal(out_labels, labels)
    assert out.max() > 1
    assert out.min() < 0


def test_beta_zero_changes_nothing(images, labels):
    assert torch.equal(Inject("zigzag", 0)(images, labels, classes=10)[0], images)


def test_beta_is_the_norm_of_what_is_added(images, labels):
    difference = Inject(ZigZag(norm="l2"), 0.5)(images, labels, classes=10)[0] - images
    torch.testing.assert_close(difference.flatten(1).norm(dim=1), torch.full((20,), 0.5, dtype=torch.float64))


STRENGTHS = (Inject, InjectReversed, InjectPermuted, InjectIndependent, ProjectThenInject)


@pytest.mark.parametrize("kind", STRENGTHS)
def test_a_strength_beyond_the_range_of_pixels_is_refused_with_what_is_meant(kind):
    for beta, meant in ((8, "8/255"), (1.01, "8/255"), ("16", "16/255"), (300, "8/255")):
        with pytest.raises(InvalidFields, match=f"beta is {beta}; give a share of the pixel range.*such as {meant}$"):
            kind("paired", beta)
    assert kind("paired", 1).beta == 1
    with pytest.raises(ConfigError, match=r"intervention 'inject': beta is 8; .* such as 8/255"):
        RunConfig.parse({"intervention": {"name": "inject", "carrier": "zigzag", "beta": 8}})
    with pytest.raises(InvalidFields, match="beta is 8; "):
        InjectCorrelated("paired", 8, rho=0.5)


@pytest.mark.parametrize("kind", [*STRENGTHS[:3], ProjectThenInject])
def test_in_l2_no_pixel_moves_by_more_than_the_range_either(kind, images, labels):
    most = (3 * 8 * 12) ** 0.5  # of sign patterns: every entry moves by 1
    assert kind(Paired(norm="l2"), 8)(images, labels, classes=10)[0].isfinite().all()
    kind(Paired(norm="l2"), most)(images.to(torch.float16), labels, classes=10)
    with pytest.raises(InterventionError, match=r"beta is 34 in l2 and moves a pixel by 2, .* at most 17$") as caught:
        kind(Paired(norm="l2"), round(2 * most))(images, labels, classes=10)
    assert "\n" not in str(caught.value)


def test_injection_into_some_classes_leaves_the_others(images, labels):
    out, _ = Inject("paired", BETA, only=(1, 3))(images, labels, classes=10)
    full, _ = Inject("paired", BETA)(images, labels, classes=10)
    chosen = (labels == 1) | (labels == 3)
    assert torch.equal(out[chosen], full[chosen])
    assert torch.equal(out[~chosen], images[~chosen])
    with pytest.raises(InterventionError, match="only names class 10, there are 10 classes"):
        Inject("paired", BETA, only=(1, 10))(images, labels, classes=10)


def test_reversed_is_permuted_by_five_for_the_papers_ten(images, labels):
    out, _ = InjectReversed("paired", BETA)(images, labels, classes=10)
    by_five = InjectPermuted("paired", BETA, pi=tuple((c + 5) % 10 for c in range(10)))
    assert torch.equal(out, by_five(images, labels, classes=10)[0])
    injected, _ = Inject("paired", BETA)(images, labels, classes=10)
    torch.testing.assert_close(out + injected, 2 * images)


@settings(deadline=None, max_examples=40)
@given(classes=st.integers(2, 30), seed=st.integers(0, 10_000))
def test_the_drawn_permutation_has_no_fixed_point_and_is_fixed_by_its_seed(classes, seed):
    intervention = InjectPermuted("zigzag", 0.1, seed=seed)
    pi = intervention.permutation(classes)
    assert sorted(pi.tolist()) == list(range(classes))
    assert (pi != torch.arange(classes)).all()
    assert torch.equal(pi, intervention.permutation(classes))


def test_every_permutation_without_fixed_points_is_drawn():
    drawn = [tuple(InjectPermuted("zigzag", 0.1, seed=seed).permutation(4).tolist()) for seed in range(300)]
    counts = {pi: drawn.count(pi) for pi in set(drawn)}
    assert len(counts) == 9  # the derangements of four
    assert min(counts.values()) > 10  # 33 expected of each


def test_permuted_adds_the_vector_of_pi_y(images, labels):
    intervention = InjectPermuted("zigzag", BETA, seed=3)
    out, out_labels = intervention(images, labels, classes=10)
    v = ZigZag().vectors(10, (3, 8, 12))
    assert torch.equal(injected_class(out, images, v), intervention.permutation(10)[labels])
    assert torch.equal(out_labels, labels)


def test_permutations_that_do_not_fit():
    with pytest.raises(InvalidFields, match="not a permutation"):
        InjectPermuted("paired", 0.1, pi=(0, 2))
    with pytest.raises(InterventionError, match="pi has 2 entries, there are 10 classes"):
        InjectPermuted("paired", 0.1, pi=(1, 0)).permutation(10)
    with pytest.raises(InterventionError, match="two classes or more"):
        InjectPermuted("paired", 0.1).permutation(1)


@pytest.fixture
def many():
    """Black 1 x 4 x 4 images of five classes."""
    return torch.zeros(5000, 1, 4, 4, dtype=torch.float64), torch.arange(5000) % 5


def test_independent_draws_classes_uniformly_whatever_the_label(many, generator):
    images, labels = many
    out, out_labels = InjectIndependent("zigzag", BETA)(images, labels, generator, classes=5)
    drawn = injected_class(out, images, ZigZag().vectors(5, (1, 4, 4)))
    joint = torch.zeros(5, 5).index_put_((labels, drawn), torch.ones(5000), accumulate=True)
    assert (joint / 1000 - 0.2).abs().max() < 0.06  # standard deviation 0.013
    assert torch.equal(out_labels, labels)
    assert InjectIndependent("zigzag", BETA)(images, None, generator, classes=5)[1] is None


@pytest.mark.parametrize(("rho", "agreement"), [(0, 0.2), (0.25, 0.4), (0.5, 0.6), (1, 1.0)])
def test_correlated_agrees_with_the_label_as_often_as_it_says(rho, agreement, many, generator):
    images, labels = many
    out, _ = InjectCorrelated("zigzag", BETA, rho=rho)(images, labels, generator, classes=5)
    drawn = injected_class(out, images, ZigZag().vectors(5, (1, 4, 4)))
    assert (drawn == labels).double().mean().item() == pytest.approx(agreement, abs=0.03)
    if rho == 1:
        assert torch.equal(out, Inject("zigzag", BETA)(images, labels, classes=5)[0])


def test_a_given_carrier_knows_its_number_of_classes():
    carrier = Given([[[[1.0, 0.0]]], [[[0.0, 1.0]]]])
    images = torch.zeros(2, 1, 1, 2)
    out, _ = Inject(carrier, 0.5)(images, torch.tensor([1, 0]))
    assert out.flatten(1).tolist() == [[0.0, 0.5], [0.5, 0.0]]
    with pytest.raises(InterventionError, match=r"labels run from 0 to 2, they must lie in 0 \.\. 1"):
        Inject(carrier, 0.5)(images, torch.tensor([0, 2]))
