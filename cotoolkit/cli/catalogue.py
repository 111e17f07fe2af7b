"""Commands that list what there is: methods, interventions, data sets, models; and the preview of an intervention."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from cotoolkit.cli import facts
from cotoolkit.cli.display import console, say
from cotoolkit.cli.options.json_output import AsJson, say_json
from cotoolkit.cli.options.paths import a_file
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import UnknownName

if TYPE_CHECKING:
    from cotoolkit.data import ImageSet


LINE = 80
"""Columns of a line of the list of methods, whatever the terminal has."""


def list_methods(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="All about this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Training methods by family, a line each, with the forward/backward passes of a step; or all about one.

    A star stands where a backward pass differentiates a gradient.
    """
    methods = facts.method_entries()
    if name is not None:
        own = facts.method_entry(name) if ":" in name else None
        found = own or next((one for one in methods if name in (one.name, *one.aliases)), None)
        if found is None:
            known = {word: entry.name for entry in methods for word in (entry.name, *entry.aliases)}
            raise UnknownName("method", name, known, "cotoolkit methods")
        methods = [found]
    if as_json:
        say_json([asdict(one) for one in methods])
        return
    if name is not None:
        _show_method(methods[0])
        return
    width = max(len(one.name) for one in methods)
    for family in dict.fromkeys(one.family for one in methods):
        say(family, "bold")
        for one in methods:
            if one.family == family:
                passes = f"{one.forward}/{one.backward}{'*' if one.double_backward else ''}"
                start = f"  {one.name:{width}}  {passes:6}  "
                say(start + textwrap.shorten(one.summary, LINE - len(start), placeholder=" …", break_on_hyphens=False))
    say("all about one: cotoolkit methods NAME")


def _show_method(one: facts.MethodEntry) -> None:
    double = f", {one.double_backward} of them through a gradient (second order)" if one.double_backward else ""
    more = f"; beyond them {one.costs_more}" if one.costs_more else ""
    rows = {
        "method": ", ".join([one.name, *one.aliases]),
        "family": one.family,
        "what": one.summary,
        "formula": one.formula,
        "passes a step": f"{one.forward} forward, {one.backward} backward{double}; with the default settings{more}",
        "memory": memory_text(one),
        "bf16": "yes" if one.bf16 else "no: it compares numbers too close for eight bits",
        "source": one.source,
    }
    shown = Table.grid(Column(no_wrap=True, style="bold"), Column(overflow="fold"), padding=(0, 2))
    for title, text in rows.items():
        shown.add_row(title, escape(text))
    console.print(shown)
    if one.defaults:
        settings = _folded("setting", "default", "where the default comes from")
        for row in one.defaults:
            settings.add_row(*map(escape, row))
        console.print(settings)


def memory_text(one: facts.MethodEntry) -> str:
    """What a method remembers from step to step, in bytes."""
    parts = []
    if one.bytes_per_image:
        whole = byte_text(facts.CIFAR * one.bytes_per_image)
        parts.append(f"{byte_text(one.bytes_per_image)} a training image ({whole} for CIFAR-10's {facts.CIFAR:,})")
    if one.bytes_per_batch_image:
        parts.append(f"{byte_text(one.bytes_per_batch_image)} an image of a batch")
    if one.bytes_besides:
        share = f", {one.networks_besides:g} × its weights and buffers" if one.networks_besides >= 0.01 else ""
        parts.append(f"{byte_text(one.bytes_besides)} {'besides ' if parts else ''}with {facts.NETWORK}{share}")
    return "; ".join(parts) or "none"


def byte_text(count: int) -> str:
    """A number of bytes in decimal units.

    >>> byte_text(12), byte_text(12_288), byte_text(614_400_000)
    ('12 B', '12.3 kB', '614 MB')
    """
    size, units = float(count), ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}"


def list_signals(as_json: AsJson = False) -> None:
    """Signals, with their forward/backward passes beyond those of the training step, and what they do at a breakpoint.

    A star stands where a backward pass differentiates a gradient.
    """
    if as_json:
        say_json([asdict(one) for one in facts.signal_entries()])
        return
    signals = facts.signal_entries()
    width = max(len(one.name) for one in signals)
    say(f"{'signal':{width}}  {'passes':6}  at a breakpoint", "bold")
    for one in signals:
        double = "*" if one.double_backward else ""
        passes = f"{one.forward}/{one.backward}{double}" if one.forward else "free"
        say(f"{one.name:{width}}  {passes:6}  {one.at_break or '-'}")
        what = f"{one.title}; {one.unit or 'a plain number'}; {one.source}"
        say(textwrap.fill(what, LINE, initial_indent="    ", subsequent_indent="    "), "dim")


def list_datasets(as_json: AsJson = False) -> None:
    """Data sets by name; besides these, folder:PATH and module:function."""
    if as_json:
        say_json([asdict(one) for one in facts.entries("datasets")])
        return
    shown = _folded("data set", "what")
    for one in facts.entries("datasets"):
        shown.add_row(one.name, escape(one.summary))
    shown.add_row("folder:PATH", "Images in PATH/train/CLASS/ and PATH/test/CLASS/ (or val).")
    shown.add_row("module:function", "Your own: called with train=True and train=False.")
    console.print(shown)


def list_models(as_json: AsJson = False) -> None:
    """Models by name; besides these, torchvision:NAME, timm:NAME and module:function."""
    if as_json:
        say_json([asdict(one) for one in facts.entries("models")])
        return
    console.print(_table("model", "models"))


interventions_commands = typer.Typer(no_args_is_help=True, help="Interventions on data: list them, see what one does.")


@interventions_commands.command("list")
def list_interventions(as_json: AsJson = False) -> None:
    """Interventions and carriers, with their settings."""
    if as_json:
        kinds: tuple[facts.Kind, ...] = ("interventions", "carriers")
        say_json({kind: [asdict(one) for one in facts.entries(kind)] for kind in kinds})
        return
    console.print(_table("intervention", "interventions"))
    console.print(_table("carrier", "carriers"))


@interventions_commands.command("preview")
def preview_intervention(
    name: Annotated[str, typer.Argument(help="An intervention, see `interventions list`.")],
    settings: Annotated[list[str] | None, typer.Argument(metavar="FIELD=VALUE...", help="Its fields.")] = None,
    data: Annotated[str, typer.Option(help="Data set.")] = "digits",
    images: Annotated[int, typer.Option(min=1, max=20, help="Images shown, of as many classes as there are.")] = 5,
    seed: Annotated[int, typer.Option(help="Of random interventions.")] = 0,
    out: Annotated[Path, typer.Option(callback=a_file, help="PNG, SVG or PDF file.")] = Path("preview.png"),
) -> None:
    """Write a picture grid: cotoolkit interventions preview inject carrier=paired beta=0.15."""
    from cotoolkit.config import RunConfig
    from cotoolkit.data import apply_intervention, load
    from cotoolkit.plotting.preview import preview
    from cotoolkit.plotting.style import save
    from cotoolkit.studies.overrides import apply, parse_settings, single_values

    values = single_values(parse_settings(settings or []))
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


def _table(title: str, kind: facts.Kind) -> Table:
    shown = _folded(title, "settings", "what")
    for one in facts.entries(kind):
        shown.add_row(one.name, escape(one.settings), escape(one.summary))
    return shown


def _folded(*titles: str) -> Table:
    """A table in which words that are longer than their column go on in the next line: an address is nothing if cut."""
    return Table(*(Column(title, overflow="fold") for title in titles))


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
