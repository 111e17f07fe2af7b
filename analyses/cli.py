"""`cotoolkit analyse`: questions asked of runs. Tables, pictures and an HTML page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cotoolkit.cli.display import say
from cotoolkit.cli.options.paths import a_folder
from cotoolkit.cli.training import Root
from cotoolkit.core.device import Device, available
from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    from analyses.core.judging.verdicts import ClaimResult
    from cotoolkit.pages import Report

app = typer.Typer(no_args_is_help=True, help="Questions asked of runs: tables, pictures and an HTML page.")

Networks = Annotated[
    list[str],
    typer.Argument(metavar="RUN[:CHECKPOINT]...", help="Networks to compare; one RUN with a breakpoint: all it has."),
]
Clean = Annotated[str | None, typer.Option(help="The clean reference; by default the first network.")]
Robust = Annotated[str | None, typer.Option(help="The robust reference; by default the last network.")]
Out = Annotated[
    Path | None, typer.Option(callback=a_folder, help="Folder for the results; by default ROOT/analyses/NAME.")
]
StudyScale = Annotated[Literal["smoke", "digits", "laptop"], typer.Option(help="Size of the study.")]
MeasureAgain = Annotated[bool, typer.Option("--fresh", help="Measure again; the runs stay.")]
Seed = Annotated[int, typer.Option(min=0, help="Of random nulls and controls.")]


@app.command()
def mixtures(
    networks: Networks,
    clean: Clean = None,
    robust: Robust = None,
    root: Root = Path("runs"),
    out: Out = None,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Weight mixtures, layer by layer: cosines, change, dense share, spectra."""
    from analyses.core.networks import compare_runs
    from analyses.mixtures.page import mixtures_report

    compared = compare_runs(root, networks, clean, robust, available(device))
    write_page(mixtures_report(compared, seed), out or root / "analyses" / _slug("mixtures", networks))


@app.command()
def features(
    networks: Networks,
    clean: Clean = None,
    robust: Robust = None,
    root: Root = Path("runs"),
    out: Out = None,
    points: Annotated[int, typer.Option(min=10, help="Test images.")] = 100,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """What networks look for: filters, maximising images, attributions, input gradients."""
    from analyses.core.networks import compare_runs
    from analyses.features.page import features_report

    compared = compare_runs(root, networks, clean, robust, available(device))
    write_page(features_report(compared, points, seed), out or root / "analyses" / _slug("features", networks))


def compare_with_purification(
    networks: Sequence[str],
    dictionary: str | None,
    control: str | None,
    root: Path,
    out: Path | None,
    device: Device,
    seed: int,
) -> None:
    """Is a robust network a purification of the clean one that it was trained from? Five items, layer by layer.

    Args:
        networks: CLEAN and ROBUST.
        dictionary: another robust network, for the test of sparsity.
        control: the clean network trained on for as long.
        root: folder of runs.
        out: folder of the page; None names it by the networks.
        device: for the measures.
        seed: of random nulls.

    Raises:
        ConfigError: other than two networks, the same one twice, or networks of different beginnings.
    """
    from analyses.core.networks import compare_runs
    from analyses.mixtures.purification_page import purification_report

    if len(networks) != 2:
        raise ConfigError(f"purification takes two networks, CLEAN and ROBUST, or none, not {len(networks)}")
    words = [networks[0], *(word for word in (dictionary, control) if word is not None), networks[1]]
    if len(set(words)) != len(words):
        raise ConfigError(f"purification compares different networks; given: {', '.join(words)}")
    compared = compare_runs(root, words, device=available(device))
    if compared.start is None:
        raise ConfigError("the networks did not start from the same weights, so their units cannot be paired")
    names = dict(zip(words, [name for name in compared.models if name != compared.start], strict=True))
    report = purification_report(
        compared,
        None if dictionary is None else names[dictionary],
        None if control is None else names[control],
        seed,
    )
    write_page(report, out or root / "analyses" / _slug("purification", networks))


def _slug(name: str, words: Sequence[str]) -> str:
    """A folder name that tells comparisons apart."""
    return "-".join([name, *(re.sub(r"[^\w.]+", "_", Path(word).name) for word in words)])[:120]


def write_page(report: Report, folder: Path) -> None:
    """Write a page, and say its answer and where it is."""
    from cotoolkit.pages import write_report

    path = write_report(report, folder)
    say(report.lead)
    say(f"page:   {path}")
    say(f"tables: {folder}")


def say_claims(results: Iterable[ClaimResult]) -> None:
    """Say how claims came out, a line each."""
    for result in results:
        say(f"  {result.words:<17} {result.claim.key}: {result.found} (expected {result.claim.expected})")
