"""Units of one network written as few units of another, or as few atoms of a dictionary learned from it.

A dictionary learned on the very network that is scored absorbs the mixture into its atoms and makes mixed weights look
sparse [P]. So atoms come from a reference, the robust network, and never from the network scored.

All functions take units of any length and code their directions: the error is a share of each unit's energy.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import orthogonal_mp_gram
from torch import Tensor

from analyses.mixtures.statistics.change import hoyer, participation
from analyses.mixtures.statistics.matching import cosines
from analyses.mixtures.units.hidden_units import unit_length
from interventions.projection import span_basis

ERROR = 0.1
"""Share of a unit's energy that may be missing when its atoms are counted [M]."""

PENALTY = 0.05
"""Weight of the L1 norm of a code, for units of length 1 [M]."""

MOST_UNITS = 64
"""Units coded per layer, evenly spaced in their order, so that layers of hundreds of units stay affordable."""


class Sparsity(NamedTuple):
    """How sparse units are in given atoms. Per unit, of those that were coded.

    Attributes:
        l0: fewest atoms, found greedily, that leave at most 10 % of the energy; all atoms where even they do not.
        reached: whether they do.
        r2: energy that the L1-penalised code explains, at most 1.
        participation: (sum c^2)^2 / sum c^4 of that code c: 1 for one atom; nan for an empty code.
        top1: energy of its largest coefficient, in (0, 1].
        hoyer: its Hoyer sparsity, 1 for one atom.
        universal: atoms used by more than half of the units, a number for the layer.
        universal_energy: share of the energy of all codes in those atoms, in [0, 1].
    """

    l0: Tensor
    reached: Tensor
    r2: Tensor
    participation: Tensor
    top1: Tensor
    hoyer: Tensor
    universal: int
    universal_energy: float


def sparsity(units: Tensor, atoms: Tensor) -> Sparsity:
    """Code units in atoms and count. At most `MOST_UNITS` units are coded; every atom may be used.

    Args:
        units: (n_units, n_in), none of them zero.
        atoms: (n_atoms, n_in), of the reference: its units, or `learn_atoms` of them.

    Returns:
        Numbers of each unit coded, and of the layer.
    """
    scored = units[_evenly_spaced(len(units))]
    l0, reached = atoms_needed(scored, atoms)
    code = penalised_code(scored, atoms)
    rows = unit_length(scored)
    missing = (rows - code @ unit_length(atoms)).square().sum(1)
    energy = code.square()
    per_atom = energy.sum(0)
    universal = (code.abs() > 1e-6).float().mean(0) > 0.5
    return Sparsity(
        l0,
        reached,
        1 - missing,
        participation(code),
        energy.max(1).values / energy.sum(1),
        hoyer(code),
        int(universal.sum()),
        float(per_atom[universal].sum() / per_atom.sum()),
    )


def atoms_needed(units: Tensor, atoms: Tensor) -> tuple[Tensor, Tensor]:
    """Number of atoms that orthogonal matching pursuit takes until at most `ERROR` of a unit's energy is missing.

    Args:
        units: (n_units, n_in).
        atoms: (n_atoms, n_in).

    Returns:
        The numbers, float (n_units,), and whether the error was reached; where all atoms together do not, the number is
        that of all atoms.
    """
    rows, directions = unit_length(units), unit_length(atoms)
    reached = _missing_from_span(rows, directions) <= ERROR - 1e-4  # short of the edge, where rounding would decide
    counts = torch.full((len(units),), float(len(atoms)), dtype=torch.float32, device=units.device)
    if reached.any():
        targets, basis = _numpy(rows[reached]), _numpy(directions)
        energy = (targets**2).sum(1)
        code = orthogonal_mp_gram(basis @ basis.T, basis @ targets.T, tol=ERROR, norms_squared=energy)
        counts[reached] = torch.from_numpy((code.reshape(len(atoms), -1) != 0).sum(0)).to(counts)
    return counts, reached


def penalised_code(units: Tensor, atoms: Tensor) -> Tensor:
    """Coefficients c that minimise ||w - c A||^2 / 2 + `PENALTY` |c|_1 for units and atoms of length 1 (the lasso).

    Args:
        units: (n_units, n_in).
        atoms: (n_atoms, n_in).

    Returns:
        (n_units, n_atoms).
    """
    rows, directions = _numpy(unit_length(units)), _numpy(unit_length(atoms))
    with _quietly():
        code = sparse_encode(rows, directions, algorithm="lasso_cd", alpha=PENALTY, max_iter=2000)
    return torch.from_numpy(code).to(units)


def learn_atoms(units: Tensor, seed: int) -> Tensor:
    """A third as many atoms as there are units, so that units must share them: online dictionary learning.

    Args:
        units: (n_units, n_in), of the reference; those of length zero are left out.
        seed: of the start and the order of the units.

    Returns:
        (at most max(1, n_units // 3), n_in), of length 1; atoms that stayed empty are left out, and of zeros
        alone there are none.

    Source: Mairal et al., ICML 2009, as scikit-learn has it; the settings, such as the L1 penalty of 0.1, are ours [M].
    """
    rows = _numpy(unit_length(units[units.any(1)]))
    if len(rows) == 0:
        return units[:0]
    n_atoms = max(1, len(rows) // 3)
    # From random units, because scikit-learn's own start, singular vectors, is the same for every seed.
    first = np.random.default_rng(seed).choice(len(rows), n_atoms, replace=False)
    learner = MiniBatchDictionaryLearning(
        n_components=n_atoms,
        dict_init=rows[first],
        alpha=0.1,
        fit_algorithm="cd",
        transform_algorithm="lasso_cd",
        batch_size=min(64, len(rows)),
        max_iter=100,
        random_state=seed,
    )
    with _quietly():
        found = learner.fit(rows).components_
    atoms = torch.from_numpy(found).to(units)
    return unit_length(atoms[atoms.norm(dim=1) > 1e-6])


def atom_match(first: Tensor, second: Tensor) -> float:
    """Mean over the atoms of one dictionary of the largest |cosine| with an atom of the other.

    Between dictionaries from several seeds: below 0.7 do not interpret single atoms [M].

    Args:
        first: (a, n_in).
        second: (b, n_in).

    Returns:
        A number in [0, 1].
    """
    return float(cosines(first, second).abs().max(1).values.mean())


@contextmanager
def _quietly() -> Iterator[None]:
    """No convergence warnings, since short of its tolerance scikit-learn is close enough; and the caller's random
    numbers stay as they were: scikit-learn draws from NumPy's global ones, whatever seed it is given.
    """
    state = np.random.get_state()  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _missing_from_span(rows: Tensor, atoms: Tensor) -> Tensor:
    """Share of the energy of rows of length 1 that no combination of the atoms explains. Shapes: -> (n,)."""
    explained: Tensor = (rows.double() @ span_basis(atoms).to(rows.device).T).square().sum(1)
    return 1 - explained


def _evenly_spaced(n_units: int) -> list[int]:
    coded = min(n_units, MOST_UNITS)
    return [index * n_units // coded for index in range(coded)]


def _numpy(rows: Tensor) -> np.ndarray:
    array: np.ndarray = rows.detach().cpu().double().numpy()
    return array
