"""The report on whether a network is a purification of another."""

from __future__ import annotations

import pandas as pd
from torch import nn

from analyses.core.networks import Compared, facts
from analyses.mixtures.purification import purification_items
from analyses.mixtures.statistics.sparse import learn_atoms
from analyses.mixtures.units.hidden_units import live_units, units_of
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.pages import Report, Section
from cotoolkit.runs.checkpoints import evaluation_points, training_images


def purification_report(compared: Compared, other_robust: str | None, control: str | None, seed: int = 0) -> Report:
    """The five items by which a robust network counts as a purification of the clean one it came from.

    Args:
        compared: with a start.
        other_robust: name of another robust network from the same start, whose units make the dictionary of item 3.
        control: name of the clean network trained on for as long as the robust one.
        seed: of nulls and controls.

    Returns:
        The report; it takes robust accuracies of every layer's edits.
    """
    config = compared.config
    data = evaluation_points(config, compared.device)
    assert compared.start is not None
    atoms = None
    if other_robust is not None:
        units = units_of(compared.models[other_robust])
        atoms = {layer: learn_atoms(rows.weight[live_units(rows.weight)], seed) for layer, rows in units.items()}

    def accuracy(model: nn.Module) -> float:
        return run_protocol(model, data.images, data.labels, config.threat, "pgd-10", seed=config.seed).accuracy.value

    table = purification_items(
        compared.models[compared.start],
        compared.models[compared.clean],
        compared.models[compared.robust],
        atoms=atoms,
        accuracy=accuracy,
        control=None if control is None else compared.models[control],
        images=training_images(config, device=compared.device),
        seed=seed,
    )
    verdicts = table.groupby(["layer", "item"], sort=False)["holds"].agg(_all).unstack("item", sort=False).reset_index()
    counts = [f"{item} {(verdicts[item] == 'holds').sum()} of {len(verdicts)}" for item in verdicts.columns[1:]]
    lead = (
        f"Is {compared.robust} a purification of {compared.clean}? Layers in which each item holds: "
        f"{', '.join(counts)}. Thresholds are ours. Without the items causal and control, the word only describes; and "
        "it is meant for a robust network that was trained from the clean one."
    )
    sections = [
        Section("verdicts", "Items by layer", table=verdicts),
        Section("measures", "What they rest on", table=table.astype({"holds": "string"})),
    ]
    return Report("Feature purification", lead, sections, facts(compared, seed))


def _all(holds: pd.Series) -> str:
    known = [value for value in holds if value is not None]
    if not all(known):
        return "fails"
    return "holds" if len(known) == len(holds) else "open"
