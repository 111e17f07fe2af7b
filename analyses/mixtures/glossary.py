"""The statistics of `mixture_table`: what each is, its range, and how purification, in theory, moves it.

"Units" are the rows of a layer. Which way purification moves a number is what the theory or our pilot [P] leads one to
expect, from clean to robust. For any deep network it is a conjecture, and a series may well refute it.
"""

from __future__ import annotations

_TO_REFERENCE = {
    "cos": "mean cosine of units with those of {of} at the same index, in [-1, 1]; near 1 where they only grew",
    "abs_cos": "the same of |cosine|, in [0, 1]",
    "angle": "median angle to {of} at the same index, degrees in [0, 180]; purification turns units by less than 45",
    "angle_mean": "mean of these angles, degrees",
    "angle_p10": "their 10 % quantile, degrees",
    "angle_p90": "their 90 % quantile, degrees",
    "under_15": "share of units turned by less than 15 degrees, in [0, 1]",
    "under_30": "share of units turned by less than 30 degrees, in [0, 1]",
    "under_45": "share of units turned by less than 45 degrees, in [0, 1]; most of them between clean and robust",
    "matched_cos": "mean |cosine| with {of} after the best one-to-one matching, in [0, 1]; null: shuffled coordinates",
    "on_diagonal": "share of units nearest, in |cosine|, to the one of the same index in {of}, in [0, 1]",
}
_FROM_REFERENCE = {
    "change_size": "Frobenius norm of the change from {of}, over that of {of}, at least 0",
    "change_density": "participation ratio of the entries of that change over their number, in (0, 1]; Gaussian 1/3",
    "change_hoyer": "Hoyer sparsity of the entries of that change, in [0, 1]; 1 where a single one changed",
    "change_entries_90": "smallest share of its entries that carries 90 % of its energy, in (0, 1]; Gaussian 0.44",
    "update_stable_rank": "stable rank of the change from {of}, at least 1",
    "update_effective_rank": "exponential of the entropy of its spectrum, at least 1",
    "update_participation": "participation ratio of its spectrum, at least 1",
    "update_top1": "share of its energy in one direction, in (0, 1]; large where a shared part is taken out",
    "update_top1_z": "the same in standard deviations above rows in random directions",
}
_IN_ATOMS = {
    "l0": "mean number of atoms for 90 % of a unit's energy (greedy), all where they do not reach it; falls",
    "reached": "share of units for which the atoms reach 90 %, in [0, 1]; rises",
    "r2": "energy the L1-penalised code explains, at most 1; rises",
    "code_participation": "mean participation ratio of the codes, at least 1; falls",
    "code_top1": "mean share of a code's energy in its largest coefficient, in (0, 1]; rises",
    "code_hoyer": "mean Hoyer sparsity of the codes, in [0, 1]; rises",
    "universal": "number of atoms that more than half of the units use; falls",
    "universal_energy": "share of the codes' energy in those atoms, in [0, 1]; falls",
}
_OWN = {
    "mixture_ratio": "median ||v|| / ||beta r|| of units w = beta r + v, r the robust one of that index; falls to 0",
    "pure_lineage": "mean energy of a unit explained by the robust one of its index, in [0, 1]; rises",
    "dense_lineage": "the rest, 1 - pure_lineage: weight mixture; falls",
    "pure_matched": "mean energy of a unit explained by its matched robust one, in [0, 1]; rises",
    "dense_matched": "the rest, 1 - pure_matched; falls",
    "pure_dictionary": "mean energy explained by the best single atom learned from robust units, in [0, 1]; rises",
    "dense_dictionary": "the rest, 1 - pure_dictionary; falls",
    "removed_top1": "share of the energy of the parts v / ||w|| in one direction, in (0, 1]; above null if shared",
    "removed_top1_z": "the same in standard deviations above parts in random directions",
    "energy_clean_u1": "S_u, mean energy of units along the common direction u1 of the clean ones, in [0, 1]; falls",
    "energy_own_u1": "mean energy of units along their own common direction, the top singular one, in (0, 1]; falls",
    "own_u1_z": "the same in standard deviations above units in random directions; falls",
    "energy_removed_u2": "mean energy along u2, the top direction of the parts the robust units lost, in [0, 1]; falls",
    "u1_cos_clean": "|cosine| of the network's own u1 with the clean u1, in [0, 1]; low if others are shared",
    "same_sign_clean_u1": "share of units on the larger side of the clean u1, in [0.5, 1]; 1 if all add the same",
    "off_diagonal": "mean |cosine| between different units of the network, in [0, 1]; falls",
    "w_stable_rank": "stable rank of unit-normalised units, at least 1; rises, as one shared direction goes",
    "w_effective_rank": "exponential of the entropy of their spectrum, at least 1; rises for the same reason",
    "w_participation": "participation ratio of their spectrum, at least 1; rises for the same reason",
    "deflated_stable_rank": "stable rank of unit-normalised units less their top direction, at least 1",
    "deflated_effective_rank": "exponential of the entropy of the spectrum of the same, at least 1",
    "deflated_participation": "participation ratio of the spectrum of the same, at least 1",
    "deflated_top1": "share of the energy of the same in its top direction, in (0, 1]",
    "dictionary_match": "mean |cosine| of nearest atoms between dictionaries from three seeds; under 0.7 trust no atom",
}
_NAMES = {"start": "the start", "clean": "the clean network", "robust": "the robust network"}
_ATOMS = {"units": "in robust units as atoms", "dictionary": "in atoms learned from robust units"}

STATISTICS: dict[str, str] = {
    **_OWN,
    **{f"{key}_{name}": text.format(of=of) for name, of in _NAMES.items() for key, text in _TO_REFERENCE.items()},
    **{
        f"{key}_{name}": text.format(of=_NAMES[name])
        for name in ("start", "clean")
        for key, text in _FROM_REFERENCE.items()
    },
    **{f"{key}_{name}": f"{how}: {text}" for name, how in _ATOMS.items() for key, text in _IN_ATOMS.items()},
}
"""Name of a statistic -> what it is, its range, and which way purification is expected to move it, if any."""
