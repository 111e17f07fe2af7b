"""Objects as a notebook shows them: a small table of facts, in the page's own fonts and colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from cotoolkit.core.numbers import format_number

Fact = Callable[[], object]
"""Says something when it is called, or raises; what it says may have several lines, and None is left out."""

LEFT = 'style="text-align: left"'


def facts_html(title: str, facts: Mapping[str, Fact]) -> str:
    """A table with a row per fact. It shows whatever there is: a fact that raises says why.

    Args:
        title: above it.
        facts: by their names.

    Returns:
        HTML without colours, all text escaped.
    """
    rows = []
    for name, fact in facts.items():
        try:
            said = fact()
        except Exception as failure:  # a display must not fail, whatever is damaged
            said = f"cannot be read: {failure or type(failure).__name__}"
        if said is not None:
            cell = "<br>".join(map(escape, str(said).splitlines()))
            rows.append(
                f'<tr><th style="text-align: left">{escape(name)}</th><td style="text-align: left">{cell}</td></tr>'
            )
    return f"<table><caption>{escape(title)}</caption>{''.join(rows)}</table>"


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings as people type them, one a line."""
    return "\n".join(f"{name}={_typed(value)}" for name, value in settings.items())


def _typed(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}={_typed(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_typed, value))}]"
    return format_number(value) if isinstance(value, float) else str(value)


def run_html(path: Path, state: Fact, config: Callable[[], Any], result: Callable[[], Any]) -> str:
    """A run folder.

    Args:
        path: of the folder.
        state: how far the run got, and why no further.
        config: its configuration's data.
        result: of a run that has ended; of another it raises.

    Returns:
        HTML.
    """
    facts: dict[str, Fact] = {"folder": lambda: path, "state": state}
    if path.is_dir():
        facts["configuration"] = lambda: _main_settings(config())
    if (path / "result.json").exists():
        facts["verdict"] = lambda: result()["verdict"]
        facts["breakpoint"] = lambda: _breakpoint(result()["breakpoint"])
        facts["accuracy (95 % interval)"] = lambda: "\n".join(
            f"{name}: {found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%})"
            for name, found in result()["evaluation"].items()
        )
    return facts_html("Run", facts)


def _main_settings(config: Mapping[str, Any]) -> str:
    """Those that tell most runs apart; of a part its name."""
    found = {name: config[name] for name in ("data", "model", "method", "intervention", "epsilon", "epochs", "seed")}
    return settings_text(
        {name: value["name"] if isinstance(value, Mapping) else value for name, value in found.items()}
    )


def _breakpoint(event: Mapping[str, Any] | None) -> str:
    if event is None:
        return "none"
    return (
        f"{event['iteration']} (interval of uncertainty {event['detail']['earliest']} to {event['detail']['latest']})"
    )
