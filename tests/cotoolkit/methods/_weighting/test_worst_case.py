"""The closed form against a cone solver, against its own dual, and against what must hold for any losses."""

import math

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar

from cotoolkit.core.errors import ConfigError
from cotoolkit.methods._weighting.worst_case import effective_share, solve, worst_case

ORDERS = ("lp_then_kl", "kl_then_lp")
both = pytest.mark.parametrize("order", ORDERS)


def drawn(draws, kind, n):
    return {
        "exponential": lambda: draws.exponential(size=n),
        "lognormal": lambda: draws.lognormal(0, 1.5, n),
        "ties": lambda: draws.integers(0, 4, n).astype(float),
        "outlier": lambda: np.append(draws.uniform(1, 1.5, n - 1), 6.0),
        "binary": lambda: draws.integers(0, 2, n).astype(float),
    }[kind]()


KINDS = ("exponential", "lognormal", "ties", "outlier", "binary")


def cone_problem(n, order):
    """The finite problem as it stands in the specification, as a parametrised cone programme."""
    losses, alpha, r = cp.Parameter(n + 1), cp.Parameter(nonneg=True), cp.Parameter(nonneg=True)
    p, q, s = cp.Variable(n + 1), cp.Variable(n + 1), cp.Variable(n, nonneg=True)
    constraints = [p >= 0, q >= 0, cp.sum(s) <= alpha]
    if order == "lp_then_kl":
        moved = cp.sum(s)
        constraints += [cp.sum(p) == 1, q[:n] + s == 1 / n, q[n] == moved, cp.sum(cp.rel_entr(q, p)) <= r]
    else:
        uniform = np.full(n, 1 / n)
        constraints += [cp.sum(q) == 1, cp.sum(cp.rel_entr(uniform, q[:n])) <= r]
        constraints += [p[:n] + s == q[:n], p[n] == q[n] + cp.sum(s)]
    problem = cp.Problem(cp.Maximize(losses @ p), constraints)
    assert problem.is_dpp()
    return problem, losses, alpha, r, p


def merged(losses, weights):
    """Weights by distinct loss."""
    levels, places = np.unique(losses, return_inverse=True)
    return np.bincount(places, weights, minlength=len(levels))


@pytest.mark.parametrize("n", [3, 12])
@both
def test_cone_solver_finds_the_same_on_320_problems(order, n):
    draws = np.random.default_rng(n)
    problem, given_losses, given_alpha, given_r, p = cone_problem(n, order)
    worst = 0.0
    for case in range(80):
        losses = drawn(draws, KINDS[case % len(KINDS)], n)
        r, alpha = draws.choice([0.001, 0.01, 0.1, 0.2, 0.5, 1.5]), draws.choice([0, 0.01, 0.05, 0.13, 0.3])
        bound = losses.max() * draws.choice([1.0, 1.7]) or 1.0
        found = worst_case(torch.tensor(losses), r, alpha, bound, order)
        given_losses.value, given_alpha.value, given_r.value = np.append(losses, bound), alpha, r
        problem.solve(solver=cp.CLARABEL)
        assert problem.status == "optimal"
        spread = max(bound - losses.min(), 0.1)
        worst = max(worst, abs(found.value.item() - problem.value) / spread)
        ours = merged(given_losses.value, np.append(found.weights, found.atom))
        gap = np.abs(ours - merged(given_losses.value, p.value)).max()
        assert gap < 5e-3 or worst < 1e-6  # where the optimum is flat, the solver's weights are loose
    assert worst < 1e-5


def kl(q, p):
    kept = q > 0
    return float((q[kept] * np.log(q[kept] / p[kept])).sum())


def replaced(losses, weights, alpha):
    """The law after alpha of the smallest losses was moved to the atom, last."""
    left, taken = weights.copy(), 0.0
    for place in np.argsort(losses, kind="stable"):
        step = min(left[place], alpha - taken)
        left[place] -= step
        taken += step
    return np.append(left, taken)


def dual(losses, r, alpha, bound, order):
    """Least value of the dual function: no feasible law can exceed it, wherever the search for it stops."""
    n = len(losses)

    def tilted(q, levels):  # min over eta >= bound of eta - exp(-r) geometric mean of (eta - levels)
        gaps, q = bound - levels[q > 0], q[q > 0]

        def height(u):
            return bound + np.exp(u) - math.exp(-r) * np.exp(q @ np.log(np.exp(u) + gaps))

        corner = bound if (gaps == 0).any() else height(-60.0)
        low = np.log(gaps.max() or 1.0)
        return min(corner, *(minimize_scalar(height, bounds=(low + a, low + a + 8)).fun for a in range(-32, 25, 4)))

    if order == "lp_then_kl":
        return tilted(replaced(losses, np.full(n, 1 / n), alpha), np.append(losses, bound))
    uniform = np.full(n, 1 / n)
    return min(
        minimize_scalar(
            lambda c: alpha * (bound - c) + tilted(uniform, np.maximum(losses, c)),
            bounds=(losses.min(), bound),
            options={"xatol": 1e-12},
        ).fun,
        bound,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("alpha", "r"), [(0.0, 0.1), (0.05, 0.1), (0.13, 1.5), (0.05, 1e-3)])
@pytest.mark.parametrize("factor", [1.0, 1.7])
def test_the_law_is_feasible_and_no_dual_value_is_below_it(kind, alpha, r, factor):
    losses = drawn(np.random.default_rng(3), kind, 40)
    bound = factor * losses.max()
    found = worst_case(torch.tensor(losses), r, alpha, bound)
    p = np.append(found.weights, found.atom)
    assert p.min() >= 0
    assert p.sum() == pytest.approx(1, abs=1e-12)
    q = replaced(losses, np.full(40, 1 / 40), alpha)
    levels = np.append(losses, bound)
    assert kl(merged(levels, q), merged(levels, p)) <= r + 1e-9
    assert found.value.item() == pytest.approx(levels @ p, rel=1e-12)
    assert abs(dual(losses, r, alpha, bound, "lp_then_kl") - found.value.item()) < 1e-8 * bound


@pytest.mark.parametrize("kind", ["exponential", "ties", "outlier"])
@pytest.mark.parametrize(("alpha", "r"), [(0.05, 0.1), (0.13, 0.5)])
def test_the_other_order_meets_its_dual(kind, alpha, r):
    losses = drawn(np.random.default_rng(4), kind, 12)
    for bound in (losses.max(), 1.7 * losses.max()):
        found = worst_case(torch.tensor(losses), r, alpha, bound, "kl_then_lp")
        assert found.weights.min() >= 0
        assert (found.weights.sum() + found.atom).item() == pytest.approx(1, abs=1e-12)
        assert dual(losses, r, alpha, bound, "kl_then_lp") - found.value.item() < 1e-6 * bound


def test_neither_order_is_always_the_worse():
    # Conjectured was that lp_then_kl is never below; the cone solver agrees that here it is.
    tied = torch.tensor([2.0, 3, 3, 2, 3, 3, 3, 0, 1, 2, 1, 1, 2, 3, 2, 0, 2, 3, 0, 2])
    problem, losses, alpha, r, _ = cone_problem(20, "lp_then_kl")
    losses.value, alpha.value, r.value = np.append(tied, 3.0), 0.05, 0.1
    problem.solve(solver=cp.CLARABEL)
    assert worst_case(tied, 0.1, 0.05, order="kl_then_lp").value > problem.value + 0.03
    spread = torch.tensor(np.random.default_rng(0).lognormal(0, 0.6, (100, 128)))
    below, above = (worst_case(spread, 0.1, 0.05, order=order).value for order in ("kl_then_lp", "lp_then_kl"))
    assert (below < above).all()


@both
@pytest.mark.parametrize("alpha", [0.0, 0.07])
def test_weights_are_the_gradient_of_the_value(order, alpha):
    draws = np.random.default_rng(5)
    for bound in (None, 9.0):
        for _ in range(5):
            losses = torch.tensor(draws.uniform(0, 4, 7))
            found = worst_case(losses, 0.2, alpha, bound, order)
            weights = found.folded(losses) if bound is None else found.weights
            steps = 1e-5 * torch.eye(7, dtype=torch.float64)
            up, down = (worst_case(losses + sign * steps, 0.2, alpha, bound, order).value for sign in (1, -1))
            torch.testing.assert_close((up - down) / 2e-5, weights, atol=2e-7, rtol=0)


LOSSES = st.lists(st.floats(0, 50), min_size=1, max_size=12)
SHARES = st.sampled_from([0.0, 1e-6, 0.03, 0.2, 0.9])
RADII = st.sampled_from([0.0, 1e-8, 1e-3, 0.1, 0.7, 3.0, 40.0])
common = settings(deadline=None, max_examples=40, derandomize=True)


def value(losses, r, alpha, bound=None, order="lp_then_kl"):
    return worst_case(torch.tensor(losses, dtype=torch.float64), r, alpha, bound, order).value.item()


@common
@given(LOSSES, RADII, SHARES, st.sampled_from(ORDERS), st.floats(0.1, 10), st.floats(-5, 5))
def test_affine_and_permutation_equivariance(losses, r, alpha, order, scale, shift):
    found = value(losses, r, alpha, None, order)
    size = 1e-9 * (1 + scale * (max(losses) + 1) + abs(shift))
    assert value([scale * loss + shift for loss in losses], r, alpha, None, order) == pytest.approx(
        scale * found + shift, abs=size
    )
    assert value(losses[::-1], r, alpha, None, order) == pytest.approx(found, abs=size)


@common
@given(LOSSES, RADII, SHARES, st.sampled_from(ORDERS), st.integers(0, 11), st.floats(0, 5))
def test_monotone_in_everything(losses, r, alpha, order, place, more):
    bound = max(losses) + 6
    found = value(losses, r, alpha, bound, order)
    raised = [loss + more * (place % len(losses) == i) for i, loss in enumerate(losses)]
    for larger in (
        value(raised, r, alpha, bound, order),
        value(losses, r * 1.5, alpha, bound, order),
        value(losses, r, alpha * 1.5, bound, order),
        value(losses, r, alpha, bound + more, order),
    ):
        assert larger >= found - 1e-9 * bound


@common
@given(LOSSES, RADII, SHARES, st.floats(0, 5))
def test_between_its_bounds(losses, r, alpha, more):
    bound = max(losses) + more
    mean = replaced(np.array(losses), np.full(len(losses), 1 / len(losses)), min(alpha, 1)) @ np.append(losses, bound)
    found = value(losses, r, alpha, bound)
    assert math.exp(-r) * mean + (1 - math.exp(-r)) * bound - 1e-9 * (1 + bound) <= found <= bound * (1 + 1e-12) + 1e-12


@common
@given(LOSSES, RADII, SHARES, st.sampled_from(ORDERS))
def test_rows_are_problems_of_their_own(losses, r, alpha, order):
    rows = torch.tensor([losses, losses[::-1], [2 * loss for loss in losses]], dtype=torch.float64)
    together = worst_case(rows.view(3, 1, -1), r, alpha, None, order)
    for row, weights, found in zip(rows, together.weights[:, 0], together.value[:, 0], strict=True):
        alone = worst_case(row, r, alpha, None, order)
        torch.testing.assert_close(weights, alone.weights, atol=1e-12, rtol=0)
        torch.testing.assert_close(found, alone.value, atol=1e-12, rtol=1e-12)


def test_batches_give_less_than_the_whole():
    losses = torch.tensor(np.random.default_rng(0).exponential(size=6400))
    for r, alpha in ((0.1, 0.0), (0.2, 0.0), (0.1, 0.05)):
        values = [worst_case(losses.view(-1, size), r, alpha).value.mean().item() for size in (16, 64, 128, 640, 6400)]
        assert values == sorted(values)


def test_small_radii_tilt_by_the_standard_deviation():
    losses = torch.tensor(np.random.default_rng(1).lognormal(0, 0.6, 1000))
    mean, deviation = losses.mean(), losses.std(correction=0)
    found = worst_case(losses, 1e-6)
    assert ((found.value - mean) / (deviation * math.sqrt(2e-6))).item() == pytest.approx(1, abs=5e-3)
    tilt = 1 + math.sqrt(2e-6) * (losses - mean) / deviation
    assert (1000 * found.folded(losses) - tilt).abs().max() < 2e-4


# ------------------------------------------------------------------------------------ numbers of the specification


@pytest.mark.parametrize(
    ("alpha", "n", "weights"),
    [
        (0.0, 128, [0.073, 0.122, 0.210, 0.419]),
        (0.0, 1024, [0.054, 0.100, 0.186, 0.398]),
        (0.0, 20_000, [0.049, 0.095, 0.181, 0.393]),
        (0.05, 128, [0.161, 0.219, 0.313, 0.515]),
    ],
)
def test_largest_possible_weight(alpha, n, weights):
    losses = torch.zeros(n)
    losses[0] = 1
    q = alpha + 1 / n
    for r, expected in zip((0.05, 0.1, 0.2, 0.5), weights, strict=True):
        found = worst_case(losses, r, alpha).folded(losses).max().item()
        assert found == pytest.approx(expected, abs=1e-3)
        exact = brentq(lambda w, r=r: kl(np.array([q, 1 - q]), np.array([w, 1 - w])) - r, q, 1 - 1e-12)
        assert found == pytest.approx(exact, rel=1e-9)


def test_zero_one_loss_with_and_without_a_bound():
    none, tenth = torch.zeros(1000), (torch.arange(1000) < 100).double()
    assert worst_case(none, 0.1).value == 0
    assert worst_case(none, 0.1, bound=1.0).value.item() == pytest.approx(0.0952, abs=5e-5)  # 1 - exp(-r)
    assert worst_case(tenth, 0.1, bound=1.0).value.item() == pytest.approx(0.282, abs=5e-4)
    assert worst_case(tenth, 0.2, bound=1.0).value.item() == pytest.approx(0.378, abs=5e-4)


def test_how_strong_the_weights_are():
    """Means over draws, as in the specification's table of lognormal(0, 0.6) losses at n = 128."""
    losses = torch.tensor(np.random.default_rng(0).lognormal(0, 0.6, (300, 128)))
    for alpha, r, ratio, ess in ((0, 0.1, 1.423, 0.542), (0, 0.2, 1.721, 0.239), (0.05, 0.1, 1.739, 0.177)):
        found = worst_case(losses, r, alpha)
        assert (found.value / losses.mean(1)).mean().item() == pytest.approx(ratio, rel=0.02)
        assert effective_share(found.folded(losses)).mean().item() == pytest.approx(ess, abs=0.02)
    far = worst_case(losses, 0.1, bound=1000.0)  # a far bound takes the budget: what is left is uniform
    assert far.atom.mean().item() == pytest.approx(0.095, abs=1e-3)
    assert effective_share(far.weights).min() > 0.999


# ------------------------------------------------------------------------------------------------------ edge cases


@both
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("r", [0.0, 1e-10, 0.2, 10.0, 500.0])
@pytest.mark.parametrize("losses", [[1.5], [2.0, 2.0, 2.0], [0.0, 0.0], [0.0, 1.0, 1.0], [1e-9, 3e-9], [1e6, 2e6, 5e5]])
def test_edge_cases_are_finite_laws(order, alpha, r, losses):
    losses = torch.tensor(losses)
    for bound in (None, 3e6):
        found = worst_case(losses, r, alpha, bound, order)
        assert found.weights.isfinite().all()
        assert found.weights.min() >= 0
        assert found.atom >= 0
        assert (found.weights.sum() + found.atom).item() == pytest.approx(1, abs=1e-9)
        scale = found.bound.item() - losses.min().item()
        assert losses.double().mean() - 1e-9 * (1 + scale) <= found.value <= found.bound + 1e-9 * (1 + scale)
        if alpha >= 1 or (len(set(losses.tolist())) == 1 and bound is None):
            assert found.value.item() == pytest.approx(found.bound.item(), rel=1e-12)


@both
def test_no_radius_and_no_share_is_the_mean_and_no_radius_the_replaced_mean(order):
    losses = torch.tensor([3.0, 1.0, 2.0, 6.0])
    found = worst_case(losses, 0, 0, order=order)
    assert found.weights.tolist() == [0.25] * 4
    assert (found.atom, found.value) == (0, 3)
    found = worst_case(losses, 0, 0.375, order=order)  # 1 goes, and half of 2
    assert found.weights.tolist() == [0.25, 0, 0.125, 0.25]
    assert found.atom == 0.375
    assert found.folded(losses).tolist() == [0.25, 0, 0.125, 0.625]


def test_ties_at_the_top_share_the_atom():
    losses = torch.tensor([5.0, 1.0, 5.0, 2.0])
    folded = worst_case(losses, 0.1, 0.2).folded(losses)
    assert folded[0] == folded[2]
    assert folded.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_narrow_losses_are_weighed_in_double_precision(dtype):
    losses = torch.rand(128, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = worst_case(losses, 0.1, 0.05)
    torch.testing.assert_close(found.weights, worst_case(losses.double(), 0.1, 0.05).weights, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("losses", "fields", "message"),
    [
        ([1.0, math.nan], {}, "losses must be finite"),
        ([1.0, math.inf], {}, "losses must be finite"),
        ([1.0, 3.0], {"bound": 2.0}, "a loss of 3 is above the bound 2"),
        ([1.0], {"r": -0.1}, "neither below 0"),
        ([1.0], {"alpha": -0.1}, "neither below 0"),
        ([1.0], {"r": math.inf}, "finite radius"),
        ([], {}, "n at least 1"),
    ],
)
def test_what_cannot_be_weighed_is_one_line(losses, fields, message):
    with pytest.raises(ValueError, match=message):
        worst_case(torch.tensor(losses), **{"r": 0.1, **fields})


@both
@pytest.mark.parametrize("bound", [None, 9.0])
def test_it_never_looks_at_a_number(order, bound):
    """A tensor on the meta device has none: what waits for the device fails there."""
    found = solve(torch.empty(4, 128, device="meta"), 0.1, 0.05, bound, order)
    assert found.weights.shape == (4, 128)
    assert found.folded(torch.empty(4, 128, device="meta")).device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@both
def test_cuda_agrees_and_does_not_wait(order):
    losses = torch.rand(4, 128)
    on_device = losses.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = solve(on_device, 0.1, 0.05, None, order)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert found.weights.device.type == "cuda"
    torch.testing.assert_close(found.weights.cpu(), solve(losses, 0.1, 0.05, None, order).weights)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("bound", [0.1, 0.3, 0.7, 1.4])
def test_losses_clipped_at_the_bound_in_a_narrow_type_are_at_the_bound(order, dtype, bound):
    losses = torch.tensor([2.0, 0.0625, 3.0, 0.03125])
    found = worst_case(losses.to(dtype).clamp_max(bound), 0.1, 0.05, bound, order)
    expected = worst_case(losses.double().clamp_max(bound), 0.1, 0.05, bound, order)
    torch.testing.assert_close(found.weights, expected.weights, rtol=0.05, atol=1e-6)
    torch.testing.assert_close(found.atom, expected.atom, rtol=0.05, atol=1e-6)
    assert found.weights.min() >= 0


@both
def test_what_makes_an_array_is_weighed_like_a_tensor(order):
    losses = [0.5, 0.25, 2.0, 1.0]
    expected = worst_case(torch.tensor(losses), 0.1, 0.05, order=order)
    for kind in (losses, np.array(losses, dtype=np.float32), pd.Series(losses, index=[3, 2, 1, 0])):
        found = worst_case(kind, np.float32(0.1), "1/20", order=order)
        torch.testing.assert_close(found.weights, expected.weights, rtol=1e-6, atol=0)
        assert found.folded(kind).argmax() == 2


@pytest.mark.parametrize(
    ("losses", "fields"),
    [
        (torch.rand(4, 1), {}),
        (np.ones((4, 1)), {}),
        (torch.tensor(1.0), {}),
        (torch.rand(0, 4), {}),
        (["a", "b"], {}),
        (torch.tensor([1j, 2]), {}),
        ([1.0, 2.0], {"order": "hd"}),
        ([1.0, 2.0], {"order": None}),
        ([1.0, 2.0], {"r": math.nan}),
        ([1.0, 2.0], {"r": None}),
        ([1.0, 2.0], {"alpha": math.nan}),
        ([1.0, 2.0], {"alpha": [0.1]}),
        ([1.0, 2.0], {"bound": math.nan}),
        ([1.0, 2.0], {"bound": "much"}),
    ],
)
def test_the_domain_is_checked(losses, fields):
    with pytest.raises(ConfigError) as caught:
        worst_case(losses, **{"r": 0.1, **fields})
    assert "\n" not in str(caught.value)
