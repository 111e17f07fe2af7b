import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from analyses.mixtures.statistics.sparse import atom_match, atoms_needed, learn_atoms, penalised_code, sparsity
from analyses.mixtures.units.hidden_units import unit_length
from tests._helpers.planted_mixtures import random_rows


def greedy_count(unit, atoms, error=0.1):
    """Orthogonal matching pursuit, written out with least squares."""
    residual, chosen = unit, []
    while residual @ residual > error * unit @ unit:
        chosen.append(int(np.argmax(np.abs(atoms @ residual))))
        basis = atoms[chosen].T
        residual = unit - basis @ np.linalg.lstsq(basis, unit, rcond=None)[0]
    return len(chosen)


def test_a_planted_sparse_code_is_recovered():
    atoms = torch.linalg.qr(random_rows(0, 64, 64)).Q[:40]
    code = torch.zeros(30, 40)
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 5, 30)
    for row, size in zip(code, sizes, strict=True):
        row[torch.from_numpy(generator.choice(40, size, replace=False))] = torch.tensor(
            generator.choice([-1.0, 1.0], size), dtype=torch.float32
        )
    counts, reached = atoms_needed(code @ atoms, 5 * atoms)
    assert reached.all()
    assert counts.tolist() == sizes.tolist()  # equal coefficients of at most 4 atoms: 10 % lets none be left out
    found = sparsity(7 * code @ atoms, atoms)
    assert found.l0.tolist() == sizes.tolist()
    assert found.participation.tolist() == pytest.approx(sizes.tolist(), rel=1e-3)
    assert found.top1.tolist() == pytest.approx((1 / sizes).tolist(), rel=1e-3)
    # each coefficient 1 / sqrt(k) loses the penalty 0.05
    assert found.r2.tolist() == pytest.approx((1 - sizes * 0.05**2).tolist(), abs=1e-3)


@pytest.mark.parametrize("seed", range(2))
def test_counts_agree_with_the_algorithm_written_out(seed):
    units, atoms = random_rows(seed, 12, 20), unit_length(random_rows(seed + 10, 30, 20))
    counts, reached = atoms_needed(units, atoms)
    assert reached.all()
    assert counts.tolist() == [greedy_count(u, atoms.double().numpy()) for u in units.double().numpy()]


def test_atoms_that_do_not_reach_the_units_are_all_counted():
    units = torch.eye(4)[:3]
    counts, reached = atoms_needed(units, torch.eye(4)[[0, 1]])
    assert counts.tolist() == [1, 1, 2]
    assert reached.tolist() == [True, True, False]


def test_penalised_codes_are_those_of_lasso():
    units, atoms = unit_length(random_rows(1, 5, 30)), unit_length(random_rows(2, 12, 30))
    lasso = Lasso(alpha=0.05 / 30, fit_intercept=False, tol=1e-8)
    expected = [lasso.fit(atoms.T.double().numpy(), unit).coef_.copy() for unit in units.double().numpy()]
    assert np.allclose(penalised_code(3 * units, 2 * atoms).numpy(), expected, atol=1e-4)


def test_universal_atoms():
    # every unit is its own atom plus 0.6 of the last one
    units = torch.eye(10)[:9] + 0.6 * torch.eye(10)[9]
    found = sparsity(units, torch.eye(10))
    assert found.universal == 1
    own, shared = 1 / 1.36**0.5 - 0.05, 0.6 / 1.36**0.5 - 0.05
    assert found.universal_energy == pytest.approx(shared**2 / (own**2 + shared**2), abs=1e-3)


def test_many_units_are_subsampled():
    assert len(sparsity(random_rows(3, 150, 8), torch.eye(8)).l0) == 64


def test_learned_atoms_are_the_repeated_units():
    features = torch.linalg.qr(random_rows(4, 64, 64)).Q[:8]
    units = features.repeat(6, 1) + 0.02 * random_rows(5, 48, 64) / 8
    first, second = learn_atoms(units, 0), learn_atoms(units, 1)
    assert first.shape[0] <= 16
    assert torch.equal(first, learn_atoms(units, 0))
    assert atom_match(features, first) > 0.8
    assert atom_match(first, second) > 0.7
    assert torch.allclose(first.norm(dim=1), torch.ones(len(first)))


def test_the_match_of_atoms_by_hand():
    # best |cosines| of the first are 1 and 0.8; the second's third atom matches neither
    first, second = torch.eye(3)[:2], torch.tensor([[-2.0, 0, 0], [0, 0.8, 0.6], [0, 0, 1]])
    assert atom_match(first, second) == pytest.approx(0.9)
    assert atom_match(second, first) == pytest.approx(1.8 / 3)


def test_units_of_zeros_teach_no_atoms():
    units = random_rows(6, 12, 8)
    with_zeros = torch.cat([torch.zeros(3, 8), units])
    assert torch.equal(learn_atoms(with_zeros, 0), learn_atoms(units, 0))
    assert learn_atoms(torch.zeros(5, 8), 0).shape == (0, 8)


def test_the_global_random_numbers_are_left_alone():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()  # noqa: NPY002
    atoms = learn_atoms(random_rows(7, 30, 8), 0)
    penalised_code(random_rows(8, 10, 8), atoms)
    after = np.random.get_state()  # noqa: NPY002
    assert after[2:] == before[2:]
    assert np.array_equal(after[1], before[1])
