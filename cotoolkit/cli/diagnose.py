"""`cotoolkit diagnose`: evidence and verdict on a finished model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from cotoolkit.cli.diagnosing.of_runs import compared_runs, network_of_run
from cotoolkit.cli.diagnosing.shown import measuring_bar, show_comparison, show_diagnosis
from cotoolkit.cli.display import console, say
from cotoolkit.cli.options.paths import a_folder
from cotoolkit.cli.training import Download
from cotoolkit.core.device import Device, available
from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cotoolkit.attacks.threat_model import ThreatModel
    from cotoolkit.data import ImageSet
    from cotoolkit.intake.findings import Finding
    from cotoolkit.models.normalise import Statistics

MARK, COMPARED = "diagnosis.json", "comparison.json"
"""The files by which an earlier diagnosis and an earlier comparison are known."""

TheRuns = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN[:CHECKPOINT]] [OTHER[:CHECKPOINT]]",
        help="A run of cotoolkit: its network, its test set, its radius; instead of all three. Two are compared.",
    ),
]
TheModel = Annotated[
    str | None, typer.Option(metavar="MODEL", help="A name, torchvision:NAME, timm:NAME, or your own module:function.")
]
Data = Annotated[
    str | None,
    typer.Option(metavar="DATA", help="A data set by name, folder:PATH, or your own module:function; its test split."),
]
Epsilon = Annotated[
    str | None,
    typer.Option(metavar="RADIUS", help="Of the attacks (linf), as a share of the pixel range, whatever the bounds."),
]
Out = Annotated[
    Path, typer.Option(metavar="FOLDER", callback=a_folder, help="For the page, the figures and diagnosis.json.")
]
Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Safetensors, or a torch file without code. None: as the model's function says.",
    ),
]
WeightsKey = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which weights of a file with several: state_dict_ema.")
]
Budget = Annotated[
    Literal["quick", "standard", "thorough"],
    typer.Option(metavar="NAME", help="quick, standard (under 2 minutes for a small CNN on a CPU) or thorough."),
]
Mean = Annotated[
    str | None, typer.Option(metavar="NUMBERS", help="Subtracted before the model, by channel: 0.49,0.48,0.45.")
]
Std = Annotated[str | None, typer.Option(metavar="NUMBERS", help="Divides then, by channel: 0.25,0.24,0.26.")]
Bounds = Annotated[
    str, typer.Option(metavar="LOW,HIGH", help="Pixels as the model takes them, before --mean: 0,255 or -1,1.")
]
TheBox = Annotated[
    Literal["box_then_eps", "eps_then_box", "none"] | None,
    typer.Option(metavar="NAME", help="How attacks keep to the bounds: box_then_eps (default), eps_then_box or none."),
]
NumberOfPoints = Annotated[
    int | None, typer.Option(min=2, metavar="NUMBER", help="Test images; by default the budget's number.")
]
AutoAttack = Annotated[
    bool | None,
    typer.Option(
        "--autoattack/--no-autoattack",
        help="A second opinion on what all else left right (extra eval); by default for robust verdicts, unless quick.",
    ),
]


def diagnose_command(
    runs: TheRuns = None,
    model: TheModel = None,
    data: Data = None,
    epsilon: Epsilon = None,
    weights: Weights = None,
    out: Out = Path("diagnosis"),
    budget: Budget = "standard",
    mean: Mean = None,
    std: Std = None,
    bounds: Bounds = "0,1",
    box: TheBox = None,
    points: NumberOfPoints = None,
    weights_key: WeightsKey = None,
    autoattack: AutoAttack = None,
    device: Annotated[Device, typer.Option(help="Where to measure.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of the points and of all random starts.")] = 0,
    download: Download = False,
    root: Annotated[Path, typer.Option("--root", help="Folder of runs.")] = Path("runs"),
) -> None:
    """Is a finished model robust, catastrophically overfitted, masking its gradients, or never robust?

    cotoolkit diagnose --model mypkg.nets:build --weights model.safetensors --data cifar10 --epsilon 8/255

    cotoolkit diagnose RUN:averaged

    cotoolkit diagnose RUN:last RUN:best   (two networks, point by point: has the one lost what the other has?)

    The model returns logits, from images in [0, 1]; if it does not normalise them itself, give --mean and --std.

    Your own function is called with those of the keywords shape, classes and num_classes that it has.
    """
    from cotoolkit.diagnosis.diagnose import diagnose
    from cotoolkit.diagnosis.page import write_diagnosis

    check_out(out, MARK if len(runs or []) < 2 else COMPARED)
    limits, place = _limits(bounds), available(device)
    given = {"model": model, "data": data, "epsilon": epsilon, "weights": weights, "weights-key": weights_key}
    given |= {"mean": mean, "std": std, "box": box}
    if len(runs or []) > 1:
        settings = {"budget": budget, "points": points, "autoattack": autoattack, "device": place, "seed": seed}
        _compare(runs or [], root, given, out, **settings)
        return
    channels = _numbers("--mean", mean), _numbers("--std", std)
    subject = _of_run(root, runs[0], given) if runs else _of_options(given, points, budget, seed, limits, download)
    if channels == (None, None) and subject.statistics is not None:
        channels = subject.statistics
    with measuring_bar() as progress:
        found = diagnose(
            subject.network.to(place), subject.test, epsilon=subject.threat.epsilon, budget=budget,
            mean=channels[0], std=channels[1], bounds=limits, box=subject.threat.box,
            points=points, device=place, seed=seed, autoattack=autoattack, progress=progress,
        )  # fmt: skip
    placed = found.points if subject.places is None else found.points.placed(subject.places)
    found = found.model_copy(update={"points": placed, "findings": (*subject.findings, *found.findings)})
    show_diagnosis(found)
    with console.status("drawing the page"):
        page = write_diagnosis(found, out)
    say(f"page: {page}")


class _Subject(NamedTuple):
    """What is diagnosed, on what; what was met on the way; and a normalisation that the weights came with."""

    network: nn.Module
    test: ImageSet
    threat: ThreatModel
    places: Tensor | None = None
    findings: Sequence[Finding] = ()
    statistics: Statistics | None = None


def _of_run(root: Path, word: str, given: Mapping[str, Any]) -> _Subject:
    return _Subject(*network_of_run(root, word, given))


def _of_options(
    given: Mapping[str, Any], points: int | None, budget: str, seed: int, bounds: tuple[float, float], download: bool
) -> _Subject:
    from cotoolkit.attacks.threat_model import ThreatModel

    model, data, epsilon = given["model"], given["data"], given["epsilon"]
    if model is None or data is None or epsilon is None:
        raise ConfigError("name what to diagnose: a RUN, or --model, --data and --epsilon")
    threat = ThreatModel.from_user(epsilon, box=given["box"] or "box_then_eps")
    test, places = _test_points(data, points, budget, seed, bounds, download, leave=threat.box == "none")
    network, findings, statistics = _network(model, given["weights"], given["weights-key"], test, seed)
    return _Subject(network, test, threat, places, findings, statistics)


def _compare(runs: Sequence[str], root: Path, given: Mapping[str, Any], out: Path, **settings: Any) -> None:
    """Compare the networks of two runs, and write the page."""
    from cotoolkit.diagnosis.page import write_comparison

    if len(runs) > 2:
        raise ConfigError(f"{len(runs)} runs are named; name one to diagnose, or two to compare")
    with console.status("measuring two networks"):
        pair = compared_runs(root, (runs[0], runs[1]), given, **settings)
    show_comparison(pair.comparison)
    with console.status("drawing the pages"):
        page = write_comparison(pair, out)
    say(f"page: {page}")


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    from cotoolkit.core.numbers import parse_number

    if text is None:
        return None
    try:
        return tuple(float(parse_number(part.strip())) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"{option}: {error}; write numbers with commas between them") from None


def _limits(text: str) -> tuple[float, float]:
    numbers = _numbers("--bounds", text) or ()
    if len(numbers) != 2 or numbers[0] >= numbers[1]:
        raise ConfigError(f"--bounds is {text!r}; give the least and the greatest pixel: 0,255")
    return numbers[0], numbers[1]


def check_out(folder: Path, mark: str) -> None:
    """Refuse a folder for a diagnosis.

    Args:
        folder: that the page and its files are to be written to.
        mark: the file by which an earlier diagnosis is known.

    Raises:
        ConfigError: it holds files that are not an earlier diagnosis, or cannot be made.
    """
    if folder.is_dir():
        if any(folder.iterdir()) and not (folder / mark).is_file():
            raise ConfigError(f"--out {folder} holds files, and no earlier diagnosis; name a new or an empty folder")
    elif folder.exists():
        raise ConfigError(f"--out {folder} is a file; name a folder")
    nearest = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigError(f"--out {folder} cannot be written: {nearest} is no folder that you may write to")


def _test_points(
    data: str, points: int | None, budget: str, seed: int, bounds: tuple[float, float], download: bool, *, leave: bool
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


def _network(
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
