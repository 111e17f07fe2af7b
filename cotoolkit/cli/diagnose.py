"""`cotoolkit diagnose`: evidence and verdict on a finished model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich import box
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cotoolkit.cli.display import VERDICT_STYLE, console, in_place, say, say_error
from cotoolkit.cli.options.paths import a_folder
from cotoolkit.cli.training import Download
from cotoolkit.core.device import Device, available
from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from cotoolkit.data import ImageSet
    from cotoolkit.diagnosis.schema import Diagnosis
    from cotoolkit.intake.findings import Finding
    from cotoolkit.models.normalise import Statistics

MARK = "diagnosis.json"
"""The file by which an earlier diagnosis is known."""

TheRun = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN[:CHECKPOINT]]",
        help="A run of cotoolkit: its network, its test set, its radius; instead of all three.",
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
    run: TheRun = None,
    model: TheModel = None,
    data: Data = None,
    epsilon: Epsilon = None,
    weights: Weights = None,
    out: Out = Path("diagnosis"),
    budget: Budget = "standard",
    mean: Mean = None,
    std: Std = None,
    bounds: Bounds = "0,1",
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

    The model returns logits, from images in [0, 1]; if it does not normalise them itself, give --mean and --std.

    Your own function is called with those of the keywords shape, classes and num_classes that it has.
    """
    from cotoolkit.attacks.threat_model import ThreatModel
    from cotoolkit.diagnosis.diagnose import diagnose
    from cotoolkit.diagnosis.page import write_diagnosis

    check_out(out, MARK)
    limits, place = _limits(bounds), available(device)
    channels = _numbers("--mean", mean), _numbers("--std", std)
    findings: list[Finding] = []
    if run is not None:
        given = {"model": model, "data": data, "epsilon": epsilon, "weights": weights, "weights-key": weights_key}
        network, test, radius = _of_run(root, run, {**given, "mean": mean, "std": std})
    elif model is None or data is None or epsilon is None:
        raise ConfigError("name what to diagnose: a RUN, or --model, --data and --epsilon")
    else:
        radius = ThreatModel.from_user(epsilon).epsilon
        test = _test_points(data, points, budget, seed, limits, download)
        network, findings, statistics = _network(model, weights, weights_key, test, seed)
        if channels == (None, None) and statistics is not None:
            channels = statistics
    with _progress() as progress:
        found = diagnose(
            network.to(place), test, epsilon=radius, budget=budget, mean=channels[0], std=channels[1], bounds=limits,
            points=points, device=place, seed=seed, autoattack=autoattack, progress=progress,
        )  # fmt: skip
    found = found.model_copy(update={"findings": (*findings, *found.findings)})
    _show(found)
    with console.status("drawing the page"):
        page = write_diagnosis(found, out)
    say(f"page: {page}")


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar that shows what is measured; Ctrl-C ends the command with one line."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    try:
        with Progress(*columns, console=console, disable=not in_place()) as bar:
            task = bar.add_task("starting", total=None)
            yield lambda what, done, total: bar.update(
                task, description=escape(what), completed=done, total=total, refresh=True
            )
    except KeyboardInterrupt:
        say_error("interrupted; nothing was written")
        raise typer.Exit(130) from None


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


def _of_run(root: Path, word: str, given: Mapping[str, Any]) -> tuple[nn.Module, ImageSet, float]:
    """A run's network at a checkpoint, its test set and its radius; `given` is what must not be said besides."""
    from cotoolkit.data import ImageSet
    from cotoolkit.runs.checkpoints import evaluation_points, trained
    from cotoolkit.runs.find import find_checkpoint

    if said := [f"--{name}" for name, value in given.items() if value is not None]:
        raise ConfigError(f"the run {word} says all that; leave out {', '.join(said)}")
    folder, checkpoint = find_checkpoint(root, word)
    config = folder.config()
    if config.norm != "linf":
        raise ConfigError(f"{folder.path.name}: was trained with norm {config.norm}; a diagnosis is for linf")
    points = evaluation_points(config)
    names = tuple(map(str, range(points.classes)))
    return trained(folder, checkpoint), ImageSet(f"test set of {word}", *points, names), config.epsilon


def _test_points(
    data: str, points: int | None, budget: str, seed: int, bounds: tuple[float, float], download: bool
) -> ImageSet:
    """The test images to measure on, in [0, 1], with the name that people gave."""
    from cotoolkit.data import ImageSet
    from cotoolkit.diagnosis.budget import BUDGETS
    from cotoolkit.intake.points import points_of

    count = points if points is not None else BUDGETS[budget].points
    images, labels, classes = points_of(data, points=count, seed=seed, bounds=bounds, download=download)
    return ImageSet(data, images, labels, classes, tuple(map(str, range(classes))))


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


def _show(found: Diagnosis) -> None:
    """Verdict, evidence for and against, and what was met."""
    verdict = found.verdict
    say(f"{verdict.label} (confidence: {verdict.confidence})", VERDICT_STYLE.get(verdict.label, "yellow"))
    say(verdict.meaning)
    say(verdict.reason)
    rows: list[tuple[str, Any]] = [
        *(("for", one) for one in verdict.speaks_for),
        *(("against", one) for one in verdict.speaks_against),
    ]
    if rows:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("", no_wrap=True)
        table.add_column("evidence")
        for side, one in rows:
            table.add_row(side, escape(one.sentence))
        console.print(table)
    say(f"what to do: {verdict.advice}")
    for finding in found.findings:
        say(f"{finding.kind}: {finding.text}", "yellow" if finding.kind == "warning" else None)
