"""`cotoolkit diagnose`: evidence and verdict on a finished model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cotoolkit.cli.diagnosing.of_options import Subject, compared_weights, subject_of_options
from cotoolkit.cli.diagnosing.of_runs import compared_runs, network_of_run
from cotoolkit.cli.diagnosing.shown import measuring_bar, show_comparison, show_diagnosis
from cotoolkit.cli.display import console, say
from cotoolkit.cli.options.paths import a_folder
from cotoolkit.cli.training import Download
from cotoolkit.core.device import Device, available
from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    from cotoolkit.diagnosis.compare import ComparedNetworks

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
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Safetensors, or a torch file without code; by default as the model's function says. Two are compared.",
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

    cotoolkit diagnose --model mypkg.nets:build --weights last.pt --weights best.pt --data cifar10 --epsilon 8/255

    The model returns logits, from images in [0, 1]; if it does not normalise them itself, give --mean and --std.

    Your own function is called with those of the keywords shape, classes and num_classes that it has.
    """
    given = {"model": model, "data": data, "epsilon": epsilon, "weights-key": weights_key, "box": box}
    by_run = {**given, "weights": weights, "mean": mean, "std": std}
    several = len(runs or weights or []) > 1
    for word in filter(os.path.isfile, runs or []):
        raise ConfigError(f"{word} is a file, not a run: give --model, --weights {word}, --data and --epsilon")
    check_out(out, COMPARED if several else MARK)
    takes: Any = {"mean": _numbers("--mean", mean), "std": _numbers("--std", std), "bounds": _limits(bounds)}
    settings: Any = {
        "points": points, "budget": budget, "seed": seed, "autoattack": autoattack, "device": available(device),
    }  # fmt: skip
    if several:
        with console.status("measuring two networks"):
            if runs:
                pair = compared_runs(root, runs, by_run, **settings)
            else:
                pair = compared_weights(given, weights or [], download=download, **takes, **settings)
        _show_pair(pair, out)
    elif runs:
        _show_one(Subject(*network_of_run(root, runs[0], by_run)), out, takes, settings)
    else:
        choice: Any = {"points": points, "budget": budget, "seed": seed, "bounds": takes["bounds"]}
        file = weights[0] if weights else None
        _show_one(subject_of_options(given, file, download=download, **choice), out, takes, settings)


def _show_one(subject: Subject, out: Path, takes: dict[str, Any], settings: dict[str, Any]) -> None:
    from cotoolkit.diagnosis.diagnose import diagnose
    from cotoolkit.diagnosis.page import write_diagnosis

    if takes["mean"] is None and takes["std"] is None and subject.statistics is not None:
        takes = {**takes, "mean": subject.statistics[0], "std": subject.statistics[1]}
    threat, network = subject.threat, subject.network.to(settings["device"])
    with measuring_bar() as progress:
        found = diagnose(
            network, subject.test, epsilon=threat.epsilon, box=threat.box, progress=progress, **takes, **settings
        )
    found = subject.placed(found)
    show_diagnosis(found)
    with console.status("drawing the page"):
        page = write_diagnosis(found, out)
    say(f"page: {page}")


def _show_pair(pair: ComparedNetworks, out: Path) -> None:
    from cotoolkit.diagnosis.page import write_comparison

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
            raise ConfigError(f"--out {folder} holds files, and no {mark} of before; name a new or empty folder")
    elif folder.exists():
        raise ConfigError(f"--out {folder} is a file; name a folder")
    nearest = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigError(f"--out {folder} cannot be written: {nearest} is no folder that you may write to")
