"""`cotoolkit figures`: the papers' figures, made, checked and shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from analyses.core.progress import live_runner
from cotoolkit.cli.display import say, say_error
from cotoolkit.cli.options.json_output import AsJson, say_json
from cotoolkit.cli.options.paths import a_folder
from cotoolkit.cli.training import Download, Jobs, Root
from cotoolkit.core.device import Device
from cotoolkit.core.errors import ConfigError, CotoolkitError, RunError
from figures.facts import FigureFacts, figures

if TYPE_CHECKING:
    from cotoolkit.studies.study import Study
    from figures.plan import FigurePlan
    from figures.recipe import Recipe
    from figures.records.record import FigureRecord

app = typer.Typer(no_args_is_help=True, help="The papers' figures: list them, make them, check the stored ones.")

_Sizes = Literal["smoke", "digits", "laptop", "paper"]
"""From the smallest to the largest."""

FigureScale = Annotated[_Sizes, typer.Option(help="Size of the figure.")]
Gallery = Annotated[Path, typer.Option(callback=a_folder, help="Folder of the figures.")]
Name = Annotated[str, typer.Argument(help="A figure, a paper, all, or a file of your own that defines RECIPE.")]


@app.command("list")
def list_figures(gallery: Gallery = Path("figures/gallery"), as_json: AsJson = False) -> None:
    """All figures: paper, what each shows, and its cost at each scale."""
    from figures.catalogue import PAPERS, not_reproduced

    known = figures()
    if as_json:
        missing = [{"paper": paper, **one._asdict()} for paper, some in not_reproduced().items() for one in some]
        rows = [{**asdict(one), "paper": one.paper, "seconds": _seconds(one, gallery)} for one in known]
        say_json({"figures": rows, "not_reproduced": missing})
        return
    for paper, title in PAPERS.items():
        say(title, "bold")
        for figure in known:
            if figure.paper == paper:
                say(f"  {figure.name}", "cyan")
                say(f"      {figure.shows} ({figure.item})")
                say(f"      {'; '.join(_costs(figure, gallery))}")
        for one in not_reproduced()[paper]:
            say(f"  not reproduced: {one.item}: {one.why}")


@app.command("make")
def make_figures(
    name: Name,
    scale: Annotated[
        _Sizes | None,
        typer.Option(help="Size of the figures; by default smoke, or the smallest of a figure without it."),
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(callback=a_folder, help="Folder of the figures; by default ROOT/figures.")
    ] = None,
    root: Root = Path("runs"),
    jobs: Jobs = None,
    device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again; the runs stay.")] = False,
    download: Download = False,
) -> None:
    """Train what is missing, and write pictures, table and claims of a figure, of a paper's figures, or of all."""
    from figures.catalogue import find_recipes
    from figures.make import Clock, make, train_first
    from figures.records.files import folder_of

    named = find_recipes(name)
    if scale is None:
        scale = _smallest(named)
    chosen = named if len(named) == 1 else [recipe for recipe in named if scale in recipe.studies]
    if not chosen:
        raise ConfigError(f"{name} has no figure at scale {scale}; `cotoolkit figures list` shows the scales of each")
    folder, failed = gallery or root / "figures", []
    with live_runner(root, root / "measured", jobs, device, fresh, download) as runner:
        if len(chosen) > 1:
            train_first(chosen, scale, runner)
        clock = Clock(len(chosen))
        for recipe in chosen:
            own = f"cotoolkit figures make {Path(name).name} --scale {scale}" if name.endswith(".py") else ""
            try:
                record = make(recipe, scale, runner, folder, command=own)
            except CotoolkitError as error:
                failed.append(recipe.name)
                say_error(str(error) if str(error).startswith(recipe.name) else f"{recipe.name}: {error}")
                continue
            _say_claims(record)
            say(f"{recipe.name}: {folder_of(folder, recipe.name, scale)} ({clock.tick()})")
    if failed:
        say_error(f"{len(failed)} of {len(chosen)} figures could not be made: {', '.join(failed)}")
        raise typer.Exit(1)


@app.command("plan")
def plan_figures(
    name: Name = "all",
    scale: FigureScale = "paper",
    gallery: Gallery = Path("figures/gallery"),
    images_per_second: Annotated[
        float | None, typer.Option(min=1e-9, help="That your device trains by standard training, as you measured it.")
    ] = None,
    write: Annotated[Path | None, typer.Option(help="File for all their runs, for `study run --file`.")] = None,
    as_json: AsJson = False,
) -> None:
    """What figures cost before they are made: runs, epochs, millions of passes of images, and time that was measured.

    With --images-per-second N also about how many device-hours that is: (forward + backward) / 2 / N / 3600.
    """
    from figures.catalogue import find_recipes
    from figures.plan import plan_of, shared_study, together

    chosen = [recipe for recipe in find_recipes(name) if scale in recipe.studies]
    if not chosen:
        raise ConfigError(f"{name} has no figure at scale {scale}; `cotoolkit figures list` shows the scales of each")
    plans = [plan_of(recipe, scale, gallery) for recipe in chosen]
    if as_json:
        rows = [*plans, together("all together", chosen, scale)]
        say_json(
            [{"name": one.name, **one.cost._asdict(), "seconds": one.seconds, "device": one.device} for one in rows]
        )
    else:
        _say_plans([*plans, together("all together", chosen, scale)], images_per_second)
    if write is not None:
        _write_study(shared_study(chosen, scale), write, quiet=as_json)


def _say_plans(plans: Sequence[FigurePlan], images_per_second: float | None) -> None:
    from figures.plan import measured_text, passes_text

    say(f"{'':<40}{'runs':>7}{'epochs':>9}{'forward':>12}{'backward':>12}  measured")
    for plan in plans:
        forward, backward = passes_text(plan.cost)
        hours = f"  {plan.cost.hours(images_per_second):,.1f} device-hours" if images_per_second else ""
        known = hours if not plan.cost.uncounted else ""
        counts = f"{plan.cost.runs:>7,}{plan.cost.epochs:>9,}{forward:>12}{backward:>12}"
        say(f"{plan.name:<40}{counts}  {measured_text(plan)}{known}")


@app.command("verify")
def verify_figures(
    name: Name = "all",
    gallery: Gallery = Path("figures/gallery"),
) -> None:
    """Check the stored figures against accidental change: draw and judge them again, without training.

    Tables, pictures, records and, with all figures, the pages are compared; the exit code is 1 if any differs. Nothing
    protects them against somebody who changes a table and seals it again.
    """
    from figures.catalogue import find_recipes
    from figures.records.gallery_page import changed_pages
    from figures.records.verify import comparable, verify

    _check_gallery(gallery)
    chosen = find_recipes(name)
    problems = verify(chosen, gallery, complete=name == "all")
    if name == "all":
        problems += changed_pages(gallery)
    for problem in problems:
        say_error(problem)
    figures = f"{len(chosen)} figure{'s' * (len(chosen) != 1)}"
    others = [one for one in _records(chosen, gallery) if not comparable(one)]
    if others:
        say(f"{len(others)} pictures were drawn by another version of matplotlib and were not compared")
    found = f"{len(problems) or 'no'} problem{'s' * (len(problems) != 1)}"
    say(f"{figures} checked: {found} (a check against accidental change)")
    if problems:
        raise typer.Exit(1)


@app.command("page")
def write_gallery_page(gallery: Gallery = Path("figures/gallery")) -> None:
    """Write the gallery's pages from the stored figures: README.md beside the gallery, and one per paper."""
    from cotoolkit.core.files import write_atomically
    from figures.records.gallery_page import gallery_pages

    _check_gallery(gallery)
    for path, text in gallery_pages(gallery).items():
        write_atomically(path, text.encode())
        say(f"page: {path}")


def _write_study(study: Study, path: Path, *, quiet: bool) -> None:
    import yaml

    from cotoolkit.core.files import write_atomically

    if not study.grids:
        raise ConfigError("these figures train nothing; there is no study to write")
    write_atomically(path, yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False).encode())
    if not quiet:
        say(f"study: {path}")


def _check_gallery(gallery: Path) -> None:
    if not gallery.is_dir():
        raise ConfigError(f"{gallery}: no such folder; give --gallery")


def _seconds(figure: FigureFacts, gallery: Path) -> dict[str, float]:
    """How long the training of a figure took when it was made, by scale."""
    from figures.records.files import stored_record

    records = {scale: stored_record(gallery, figure.name, scale) for scale in figure.runs}
    took = {scale: record.making.training_seconds for scale, record in records.items() if record is not None}
    return {scale: seconds for scale, seconds in took.items() if seconds is not None}


def _costs(figure: FigureFacts, gallery: Path) -> Iterator[str]:
    """By scale how many runs a figure trains at least, and how long they took when it was made."""
    seconds = _seconds(figure, gallery)
    for scale, runs in figure.runs.items():
        took = f", {seconds[scale] / 60:.1f} min of training" if scale in seconds else ""
        yield f"{scale}: {runs} run{'s' * (runs != 1)}{took}"


def _records(recipes: list[Recipe], gallery: Path) -> list[FigureRecord]:
    """The readable records of some figures."""
    from figures.records.files import stored_record

    found = []
    for recipe in recipes:
        for scale in recipe.studies:
            with contextlib.suppress(RunError):  # `verify` has told of it
                found.append(stored_record(gallery, recipe.name, scale))
    return [record for record in found if record is not None]


def _smallest(recipes: Sequence[Recipe]) -> _Sizes:
    """The scale at which figures are made if nobody says: smoke, or the smallest of one figure that has none."""
    scale: _Sizes = "smoke"
    if len(recipes) == 1:
        scale = next((one for one in get_args(_Sizes) if one in recipes[0].studies), "smoke")
    if scale != "smoke":
        say(f"{recipes[0].name} has no scale smoke; it is made at scale {scale}")
    return scale


def _say_claims(record: FigureRecord) -> None:
    for claim in record.claims:
        say(f"  {claim.verdict:<17} {claim.key}: {claim.found} (expected {claim.expected})")
