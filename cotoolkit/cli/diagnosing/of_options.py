"""A network that options name: a model, its weights, data and a radius; and two such networks compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cotoolkit.attacks.threat_model import ThreatModel
    from cotoolkit.data import ImageSet
    from cotoolkit.diagnosis.compare import ComparedNetworks
    from cotoolkit.diagnosis.schema import Diagnosis
    from cotoolkit.intake.findings import Finding
    from cotoolkit.intake.normalisation import Bounds, PerChannel
    from cotoolkit.models.normalise import Statistics


class Subject(NamedTuple):
    """What is diagnosed, on what; what was met on the way; and a normalisation that the weights came with."""

    network: nn.Module
    test: ImageSet
    threat: ThreatModel
    places: Tensor | None = None
    findings: Sequence[Finding] = ()
    statistics: Statistics | None = None

    def placed(self, found: Diagnosis) -> Diagnosis:
        """A diagnosis of this with the places of its points in the data, and with what was met before it."""
        points = found.points if self.places is None else found.points.placed(self.places)
        return found.model_copy(update={"points": points, "findings": (*self.findings, *found.findings)})


def subject_of_options(
    given: Mapping[str, Any],
    weights: Path | None,
    *,
    points: int | None,
    budget: str,
    seed: int,
    bounds: Bounds,
    download: bool,
) -> Subject:
    """What is diagnosed, by the options of the command.

    Args:
        given: by option: model, data, epsilon, weights-key and box.
        weights: file of the model's weights; None for those that it comes with.
        points: images, at most.
        budget: says how many where nobody does.
        seed: of the choice of points, and of a model's random weights.
        bounds: of the pixels.
        download: let torchvision fetch missing data.

    Returns:
        The network and what belongs to it.

    Raises:
        ConfigError: one of the three options is missing, or means nothing.
    """
    from cotoolkit.attacks.threat_model import ThreatModel

    model, data, epsilon = given["model"], given["data"], given["epsilon"]
    if model is None or data is None or epsilon is None:
        missing = [f"--{name}" for name in ("model", "data", "epsilon") if given[name] is None]
        hint = "" if len(missing) == 3 else f"; {' and '.join(missing)} is missing"
        raise ConfigError(f"name what to diagnose: a RUN, or --model, --data and --epsilon{hint}")
    threat = ThreatModel.from_user(epsilon, box=given["box"] or "box_then_eps")
    test, places = _test_points(data, points, budget, seed, bounds, download, leave=threat.box == "none")
    network, findings, statistics = network_of_options(model, weights, given["weights-key"], test, seed)
    return Subject(network, test, threat, places, findings, statistics)


def compared_weights(
    given: Mapping[str, Any],
    weights: Sequence[Path],
    *,
    mean: PerChannel | None,
    std: PerChannel | None,
    bounds: Bounds,
    download: bool,
    **settings: Any,
) -> ComparedNetworks:
    """Two files of weights of one model, compared on the same points.

    Args:
        given: as for `subject_of_options`.
        weights: the two files.
        mean: of the pixels, by channel.
        std: by which the difference is divided.
        bounds: of the pixels.
        download: let torchvision fetch missing data.
        settings: of `compare_networks`; points, budget and seed among them.

    Returns:
        The comparison.

    Raises:
        ConfigError: as `subject_of_options`; not two files, or they come with different normalisations.
    """
    from cotoolkit.diagnosis.compare import ComparedNetworks, compare_networks

    if len(weights) != 2:
        raise ConfigError(f"{len(weights)} files of weights are named; name one to diagnose, or two to compare")
    if weights[0] == weights[1]:
        raise ConfigError(f"{weights[0]} is given twice; name two files of weights")
    choice = {name: settings[name] for name in ("points", "budget", "seed")}
    first, second = (subject_of_options(given, one, bounds=bounds, download=download, **choice) for one in weights)
    if mean is None and std is None:
        if first.statistics != second.statistics:
            raise ConfigError("the two files come with different normalisations; give --mean and --std")
        mean, std = first.statistics or (None, None)
    one, other = weights
    pair = compare_networks(
        first.network, second.network, first.test, epsilon=first.threat.epsilon, box=first.threat.box,
        names=(one.name, other.name) if one.name != other.name else (str(one), str(other)),
        mean=mean, std=std, bounds=bounds, **settings,
    )  # fmt: skip
    return ComparedNetworks(pair.comparison, first.placed(pair.first), second.placed(pair.second))


def _test_points(
    data: str, points: int | None, budget: str, seed: int, bounds: Bounds, download: bool, *, leave: bool
) -> tuple[ImageSet, Tensor]:
    """The test images to measure on, with the name that people gave, and their places in the data.

    They are in [0, 1], unless they may leave it.
    """
    from cotoolkit.data import ImageSet
    from cotoolkit.diagnosis.budget import BUDGETS
    from cotoolkit.intake.points import chosen_points

    count = points if points is not None else BUDGETS[budget].points
    chosen = chosen_points(data, points=count, seed=seed, bounds=bounds, download=download, leave=leave)
    images, labels, classes = chosen.points
    return ImageSet(data, images, labels, classes, tuple(map(str, range(classes))), leave), chosen.places


def network_of_options(
    model: str, weights: Path | None, key: str | None, test: ImageSet, seed: int
) -> tuple[nn.Module, list[Finding], Statistics | None]:
    """The network with its weights, what was met on the way, and a normalisation that the weights came with."""
    from cotoolkit.core.seeding import fork_global_rng
    from cotoolkit.intake.findings import warning
    from cotoolkit.intake.weights.hub_config import statistics_beside
    from cotoolkit.intake.weights.matching import fit_weights
    from cotoolkit.intake.weights.reading import load_weights
    from cotoolkit.models import OwnModel, parse_model

    spec = parse_model(model)
    tensors = None if weights is None else load_weights(weights)
    with fork_global_rng(seed, "init"):
        network = spec.build(test.shape, test.classes).eval()
    if weights is not None and tensors is not None:
        findings, statistics = fit_weights(network, tensors, str(weights), classes=test.classes, key=key)
        told = statistics_beside(weights)
        if statistics is None and told is not None:
            own = isinstance(spec, OwnModel)
            done = "not applied, since a function of your own may do it" if own else "applied unless others are given"
            findings.append(warning(f"{told}: {done}; --mean and --std say others"))
            statistics = None if own else told.statistics
        return network, findings, statistics
    if key is not None:
        raise ConfigError("--weights-key chooses among the weights of a file; name it with --weights")
    random = f"no --weights given, so {model} has random weights: this is a network that was never trained"
    return network, [] if isinstance(spec, OwnModel) else [warning(random)], None
