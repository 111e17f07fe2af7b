"""A network of the zoo is built, attacked for its truth, and diagnosed; what was done before is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path

import torch
from pydantic import BaseModel, ValidationError
from torch import nn

from analyses.diagnosis_zoo.networks import build, config_of, points_of_zoo, radius_of
from analyses.diagnosis_zoo.plan import ZOO, ZooNetwork
from analyses.diagnosis_zoo.records import (
    BUDGETS,
    DiagnosisRecord,
    Examined,
    TruthRecord,
    read_zoo_record,
    write_zoo_record,
)
from analyses.diagnosis_zoo.truth import find_truth, truth_card
from cotoolkit.core.errors import RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.core.importing.workers import without_script
from cotoolkit.data.points import Points
from cotoolkit.diagnosis.budget import Budget, budget_of
from cotoolkit.diagnosis.diagnose import diagnose
from cotoolkit.diagnosis.judging.verdict import reach_verdict
from cotoolkit.diagnosis.measurements import Measurements
from cotoolkit.diagnosis.points import PointOutcomes, few_points
from cotoolkit.diagnosis.schema import DiagnosisProtocol, Environment
from cotoolkit.intake.points import chosen_points
from cotoolkit.runs.environment import environment
from cotoolkit.studies.launchers.local import WorkerProcesses

SEED = 0
"""Of the diagnoses."""

Report = Callable[[str, int, int], None]
"""Called with the network that was examined, how many are, and how many there are."""


def examine_all(
    zoo: Sequence[ZooNetwork], folder: Path, *, jobs: int, report: Report = lambda name, done, total: None
) -> list[Examined]:
    """Build, attack and diagnose what was not before, and read all.

    Args:
        zoo: networks of `ZOO`.
        folder: of the runs and records.
        jobs: processes at a time.
        report: called as networks are done.

    Returns:
        What was found, in the order of the zoo.
    """
    todo = [one for one in zoo if not all(path.exists() for path in _paths(one, folder).values())]
    done = len(zoo) - len(todo)
    if todo:
        with WorkerProcesses(min(jobs, len(todo))) as pool:
            with without_script():
                futures = {pool.submit(examine, one.name, str(folder)): one.name for one in todo}
            for future in as_completed(futures):
                future.result()
                done += 1
                report(futures[future], done, len(zoo))
    return [_read(one, folder) for one in zoo]


def examine(name: str, folder: str) -> None:
    """Build one network, attack and diagnose it, and keep the records that are not there.

    Args:
        name: of a network of `ZOO`.
        folder: of the runs and records.
    """
    one = next(one for one in ZOO if one.name == name)
    paths = _paths(one, Path(folder))
    network, points, epsilon = build(one, Path(folder) / "runs"), points_of_zoo(one), radius_of(one)
    if not paths["truth"].exists():
        write_zoo_record(_truth(one, network, points, epsilon), paths["truth"])
    for budget in BUDGETS:
        if not paths[budget].exists():
            found = diagnose(network, points, epsilon=epsilon, budget=scored(budget), seed=SEED, device="cpu")
            write_atomically(paths[budget], found.to_json().encode())


def scored(name: str) -> Budget:
    """A budget without what no verdict rests on: the loss surface, curvature, and other radii.

    Args:
        name: of the budget.

    Returns:
        The rest of it.
    """
    unused = {"hessian_points": 1, "surface_points": 1, "surface": 4, "looks": 0}
    return budget_of(name).model_copy(update=unused)


def attacked_places(points: Points) -> torch.Tensor:
    """Places of the points that a diagnosis attacks strongly at some budget, (N,) int64, ascending.

    Args:
        points: all that there are.

    Returns:
        Their union.
    """
    places = []
    for budget in map(budget_of, BUDGETS):
        chosen = chosen_points(points, points=budget.points, seed=SEED)
        places.append(chosen.places[few_points(chosen.points.labels, budget.few, SEED)])
    union: torch.Tensor = torch.cat(places).unique()
    return union


def _truth(one: ZooNetwork, network: nn.Module, points: Points, epsilon: float) -> TruthRecord:
    places = attacked_places(points)
    here = points._replace(images=points.images[places], labels=points.labels[places])
    found = find_truth(network, here, epsilon, SEED)
    return TruthRecord(
        network=one.name,
        run=config_of(one).identity,
        epsilon=epsilon,
        classes=points.classes,
        places=tuple(places.tolist()),
        clean=_text(found.clean),
        fgsm=_text(found.fgsm),
        robust=_text(found.robust),
        attacked=found.attacked,
        card=truth_card(),
        seconds=found.seconds,
        environment=environment("cpu"),
    )


class _Measured(BaseModel):
    """The parts of a diagnosis that do not depend on how it is judged."""

    measurements: Measurements
    points: PointOutcomes
    protocol: DiagnosisProtocol
    environment: Environment


def _measured(path: Path) -> _Measured:
    try:
        return _Measured.model_validate_json(path.read_bytes())
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RunError(f"{path}: was measured in another way ({place}); delete it, and it is made again") from None


def _judged(one: ZooNetwork, found: _Measured) -> DiagnosisRecord:
    """What is kept of a diagnosis, with the verdict of today on what was measured then."""
    outcomes, where = found.points, found.environment
    verdict = reach_verdict(found.measurements, found.protocol.epsilon)
    strongest = found.measurements.strong[0].name
    return DiagnosisRecord(
        network=one.name,
        budget=found.protocol.budget.name,
        label=verdict.label,
        confidence=verdict.confidence,
        reason=verdict.reason,
        places=tuple(outcomes.places[position] for position in outcomes.few),
        withstood=_text(torch.from_numpy(outcomes.worst)),
        pgd=outcomes.few_held[strongest],
        points=found.protocol.points,
        clean=found.measurements.clean.accuracy.value,
        fgsm=found.measurements.fgsm_at(1, found.protocol.epsilon).accuracy.value,
        seed=found.protocol.seed,
        passes=where.forward_passes + where.backward_passes,
        seconds=where.seconds,
        environment={name: value for name, value in where.versions.items() if name != "threads"},
    )


def _read(one: ZooNetwork, folder: Path) -> Examined:
    paths = _paths(one, folder)
    diagnoses = {budget: _judged(one, _measured(paths[budget])) for budget in BUDGETS}
    truth = read_zoo_record(TruthRecord, paths["truth"])
    return Examined(one, truth.model_copy(update={"network": one.name}), diagnoses)


def _paths(one: ZooNetwork, folder: Path) -> dict[str, Path]:
    name = re.sub(r"\W+", "-", one.name).lower()
    found = {budget: folder / "records" / f"{name}.{budget}.json" for budget in BUDGETS}
    return {"truth": folder / "records" / f"{one.subject}.truth.json", **found}


def _text(flags: torch.Tensor) -> str:
    return "".join("1" if flag else "0" for flag in flags.tolist())
