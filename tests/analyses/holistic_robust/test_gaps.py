import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from analyses.holistic_robust.certificate import certify
from analyses.holistic_robust.gaps import best_minus_last, dispersion, gap, halves_gap, implied_radius, nominal_margin
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods._weighting.worst_case import worst_case


def test_round_trip_through_the_worst_case():
    draws = np.random.default_rng(0)
    for case in range(60):
        losses = draws.lognormal(0, 1, 30) if case % 2 else draws.integers(0, 4, 30).astype(float)
        bound = losses.max() * draws.choice([1.0, 1.4, 5.0])
        r = draws.choice([1e-4, 0.01, 0.1, 0.7])
        value = worst_case(torch.tensor(losses), r, bound=bound).value.item()
        assert implied_radius(losses, value, bound).item() == pytest.approx(r, rel=1e-7)


def test_against_a_plain_maximisation():
    draws = np.random.default_rng(1)
    losses = draws.exponential(size=(5, 40)).clip(max=4)
    for row, found in zip(losses, implied_radius(losses, losses.mean(-1) + 0.4, 4.0), strict=True):

        def height(u, row=row):
            eta = 4.0 + np.exp(u)
            return np.log(eta - row).mean() - np.log(eta - row.mean() - 0.4)

        best = max(-minimize_scalar(lambda u: -height(u), bounds=(a, a + 5)).fun for a in range(-25, 15, 5))
        assert found == pytest.approx(best, abs=1e-9)


def bernoulli_kl(p, q):
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


@pytest.mark.parametrize(("train", "test", "expected"), [(0.1, 0.55, 0.4534), (0.1, 0.2, None), (0.4, 0.41, None)])
def test_zero_one_losses_give_the_divergence_of_the_error_rates(train, test, expected):
    losses = (np.arange(100) < 100 * train).astype(float)
    found = implied_radius(losses, test, 1.0).item()
    assert found == pytest.approx(bernoulli_kl(train, test), rel=1e-9)
    assert expected is None or found == pytest.approx(expected, abs=5e-5)


def test_ends_of_the_range_and_invariance():
    losses = np.array([0.1, 0.5, 0.9])
    assert implied_radius(losses, 0.5, 1.0) == 0
    assert implied_radius(losses, 0.2, 1.0) == 0
    assert implied_radius(losses, 1.0, 1.0) == np.inf
    assert implied_radius(np.full(4, 2.0), 2.5, 3.0).item() == pytest.approx(np.log(2))  # 1 - exp(-r) = 1/2
    found = implied_radius(losses, 0.8, 1.0).item()
    assert implied_radius(3 * losses - 7, 3 * 0.8 - 7, 3 - 7).item() == pytest.approx(found, rel=1e-9)
    with pytest.raises(ValueError, match="at most the bound 1: clip them"):
        implied_radius([1.5], 1.0, 1.0)


def test_the_others_by_hand():
    assert gap([0.0, 1.0], [1.0, 3.0]) == 1.5
    assert dispersion([0.0, 6.0], [1.0, 2.0]) == pytest.approx(6)
    assert np.isnan(dispersion([0.0, 6.0], [1.0, 1.0]))
    # all training losses 0: V = (1 - exp(-r)) W
    assert nominal_margin(np.zeros(5), [0.3, 20.0], 0.1, 0.0, 10.0) == pytest.approx(0.95163 - 5.15, abs=1e-4)
    assert nominal_margin([1.0, 50.0], [0.0], 0.0, 0.0, 10.0) == pytest.approx(5.5)


def test_the_best_look_is_chosen_on_other_images_than_it_is_measured_on():
    first_half_best, second_half_best, last = [1, 0, 1, 1, 1, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 0, 0, 0]
    # chosen on images 0, 2, 4: look 0, on the others 1/3 - 1/3; chosen on 1, 3, 5: look 1, on the others 1/3 - 0
    assert best_minus_last([first_half_best, second_half_best, last]) == pytest.approx(1 / 6)
    assert best_minus_last([last, first_half_best]) == 0
    assert best_minus_last([[1] * 4, [0] * 4]) == 1


def test_chance_among_equal_looks_is_no_overfitting():
    draws = np.random.default_rng(0)
    found = [best_minus_last(draws.random((10, 100)) < 0.5) for _ in range(400)]
    assert abs(np.mean(found)) < 4 * np.std(found) / 20
    assert np.mean([(marks.mean(1).max() - marks[-1].mean()) for marks in draws.random((400, 10, 100)) < 0.5]) > 0.05


def test_halves_scatter_as_expected():
    draws = np.random.default_rng(0)
    found = [halves_gap(draws.exponential(size=400), seed) for seed in range(400)]
    z = np.array([one.difference / one.expected for one in found])
    assert abs(z.mean()) < 0.2
    assert z.std() == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: gap([], [1.0]),
        lambda: gap([[1.0]], [1.0]),
        lambda: best_minus_last([[57.0, 60.0]]),
        lambda: best_minus_last([]),
        lambda: best_minus_last([[1], [0]]),
        lambda: implied_radius([[0.1, 0.2]], [0.3, 0.4], 1.0),
        lambda: implied_radius([], 0.3, 1.0),
        lambda: nominal_margin([[1.0], [2.0]], [1.0], 0.1, 0.0, 10.0),
        lambda: nominal_margin([1.0, np.nan], [1.0], 0.1, 0.0, 10.0),
        lambda: dispersion("losses", [1.0]),
        lambda: halves_gap([1.0, 2.0, 3.0]),
    ],
)
def test_the_domain_is_checked(ask):
    with pytest.raises(ConfigError) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_what_the_losses_reach_already_needs_no_radius_even_at_the_bound():
    assert implied_radius(np.full(5, 10.0), 10.0, 10.0).item() == 0  # a broken network, all losses clipped
    assert implied_radius([10.0, 0.0], 10.0, 10.0).item() == np.inf


@pytest.mark.parametrize("bound", [None, np.nan, np.inf, "much"])
def test_a_bound_is_a_finite_number(bound):
    for measure in (lambda: implied_radius([1.0], 0.5, bound), lambda: nominal_margin([1.0], [0.5], 0.1, 0.0, bound)):
        with pytest.raises(ConfigError, match="bound: "):
            measure()


def test_losses_clipped_in_single_precision_are_within_their_bound():
    losses = np.minimum(np.float32([0.3, 0.05]), np.float32(0.1))  # 0.1 is a little more there
    assert worst_case(losses, 0.1, 0.0, 0.1).value.item() == pytest.approx(0.086, abs=1e-3)
    for given in (losses, torch.tensor(losses)):
        assert implied_radius(given, 0.09, 0.1).item() == pytest.approx(
            implied_radius([0.1, 0.05], 0.09, 0.1).item(), rel=1e-5
        )
        assert certify(given, 0.05, 0.1).value <= 0.1 + 1e-8
