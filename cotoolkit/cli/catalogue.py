"""Commands that list what there is: methods, interventions, data sets, models; and the preview of an intervention."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from cotoolkit.cli.display import console, say
from cotoolkit.errors import ConfigError

if TYPE_CHECKING:
    from cotoolkit.data import ImageSet


def methods() -> None:
    """Training methods, with the forward and backward passes of a step, and their settings."""
    from cotoolkit.methods import METHODS

    shown = Table(Column("method", no_wrap=True), "forward", "backward", "what, settings, source", show_lines=True)
    for name in METHODS.names():
        cls = METHODS[name]
        cost = METHODS.parse(name).passes()
        backward = f"{cost.backward}, {cost.double_backward} double" if cost.double_backward else str(cost.backward)
        shown.add_row(name, str(cost.forward), backward, f"{_summary(cls)}\n{_settings(cls)}\n[dim]{cls.source}[/dim]")
    console.print(shown)


def datasets() -> None:
    """Data sets by name; besides these, folder:PATH and module:function."""
    from cotoolkit.data import DATASETS

    shown = Table("data set", "what")
    for name in DATASETS.names():
        shown.add_row(name, _summary(DATASETS[name]))
    shown.add_row("folder:PATH", "Images in PATH/train/CLASS/ and PATH/test/CLASS/ (or val).")
    shown.add_row("module:function", "Your own: called with train=True and train=False.")
    console.print(shown)


def models() -> None:
    """Models by name; besides these, torchvision:NAME and module:function."""
    from cotoolkit.models import MODELS

    shown = Table("model", "settings", "what")
    for name in MODELS.names():
        cls = MODELS[name]
        shown.add_row(name, _settings(cls), _summary(cls))
    console.print(shown)


interventions = typer.Typer(no_args_is_help=True, help="Interventions on data: list them, see what one does.")


@interventions.command("list")
def list_interventions() -> None:
    """Interventions and carriers, with their settings."""
    from interventions import CARRIERS, INTERVENTIONS

    for registry in (INTERVENTIONS, CARRIERS):
        shown = Table(registry.kind, "settings", "what")
        for name in registry.names():
            cls: Any = registry[name]
            shown.add_row(name, _settings(cls), _summary(cls))
        console.print(shown)


@interventions.command("preview")
def preview_intervention(
    name: Annotated[str, typer.Argument(help="An intervention, see `interventions list`.")],
    settings: Annotated[list[str] | None, typer.Argument(metavar="FIELD=VALUE...", help="Its fields.")] = None,
    data: Annotated[str, typer.Option(help="Data set.")] = "digits",
    images: Annotated[int, typer.Option(min=1, max=20, help="Images shown, of as many classes as there are.")] = 5,
    seed: Annotated[int, typer.Option(help="Of random interventions.")] = 0,
    out: Annotated[Path, typer.Option(help="PNG, SVG or PDF file.")] = Path("preview.png"),
) -> None:
    """Write a picture grid: cotoolkit interventions preview inject carrier=paired beta=0.15."""
    from analyses.previews import preview
    from analyses.style import save
    from cotoolkit.config import RunConfig
    from cotoolkit.data import apply_intervention, load
    from cotoolkit.settings import apply, parse_settings

    values = {field: options[0] for field, options in parse_settings(settings or []).items()}
    config = RunConfig.parse(apply({"data": {"name": data}, "intervention": {"name": name}}, _below(values)))
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"{out}: end the name in .png, .svg or .pdf")
    shown = _one_per_class(load(config.data, seed).test, images)
    before, _ = apply_intervention(shown, None, seed, "cpu", train=True)
    after, labels = apply_intervention(shown, config.intervention, seed, "cpu", train=True)
    titles = [shown.class_names[old] for old in shown.labels.tolist()]
    for row, (old, new) in enumerate(zip(shown.labels.tolist(), labels.tolist(), strict=True)):
        if old != new:
            titles[row] += f"\n→ {shown.class_names[new]}"
    figure, _ = preview(before, after, titles)
    say(f"picture: {save(figure, out)}")


def _below(values: dict[str, Any]) -> dict[str, Any]:
    return {f"intervention.{field}": value for field, value in values.items()}


def _one_per_class(data: ImageSet, count: int) -> ImageSet:
    """The first image of each class in turn, then the second of each, until there are `count`."""
    import torch

    rank = torch.zeros(len(data), dtype=torch.int64)
    for label in range(data.classes):
        members = (data.labels == label).nonzero().flatten()
        rank[members] = torch.arange(len(members))
    return data.pick((rank * data.classes + data.labels).argsort()[:count])


def _settings(cls: Any) -> str:
    """`k=2.0 alpha=None`, required ones without a value."""
    parts = []
    for field in dataclasses.fields(cls):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            parts.append(f"{field.name}=?")
        elif field.default is not dataclasses.MISSING:
            default = field.default
            shown = getattr(default, "name", default)
            parts.append(f"{field.name}={'none' if shown is None else shown}")
        else:
            parts.append(field.name)
    return " ".join(parts)


def _summary(cls: Any) -> str:
    """First paragraph of the docstring."""
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split())
