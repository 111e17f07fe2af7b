"""The matrix of signals, docs/signal_matrix.md: what each is read from, what it costs, where it is shown."""

from __future__ import annotations

from cotoolkit.cli.reference.markdown import markdown_table, plain_cell
from cotoolkit.monitor.early_warning import DEFAULT_RULES
from cotoolkit.signals import SIGNALS
from cotoolkit.signals.observation import BY_PRODUCTS, step_signals
from cotoolkit.signals.registry import SignalInfo

HEAD = """# The matrix of signals

Generated from the registry of signals by `python -m cotoolkit.cli.reference`; do not edit.

A signal is a number per sample that may tell of catastrophic overfitting. [Add one](howto/add_a_signal.md) in one file.
"""

STEP_HEAD = """
## Signals of a training step

They are free: read from what the step computed anyway, by the engine at every iteration, by `BreakpointMonitor` from
what your loop hands over ([the monitor](monitor.md)), and by the diagnosis from one FGSM step. A tick says which
by-products a signal needs; the loss of a sample is known where `losses` are handed over, or `logits` and `labels`.
Where the early warning follows a signal, the last column says by how much it has to leave its recent mean to call for
a probe.

"""

OTHER_HEAD = """
## Signals of a network

They need passes beyond a training step, or several attacks at once, so `cotoolkit diagnose` and the analyses take them,
at a network that stands still. Passes are counted in batches; a double backward differentiates a gradient and counts
among the backward passes, too.

"""

SOURCES_HEAD = """
## Sources

"""


def signal_matrix() -> str:
    """The page, in Markdown."""
    steps = step_signals()
    named = {info.name for info in steps}
    others = sorted((info for info in SIGNALS.values() if info.name not in named), key=lambda one: (one.cost, one.name))
    needed = [name for name in BY_PRODUCTS if any(name in info.inputs for info in steps)]
    rules = {rule.signal: f"{rule.statistic} ≥ {rule.threshold:g}" for rule in DEFAULT_RULES}
    first = markdown_table(
        ["signal", "unit", "at a breakpoint", *(f"`{name}`" for name in needed), "early warning"],
        (
            [*_start(info), *("✓" if name in info.inputs else "" for name in needed), rules.get(info.name, "-")]
            for info in steps
        ),
    )
    second = markdown_table(
        ["signal", "unit", "at a breakpoint", "forward", "backward", "of these double", "read from"],
        ([*_start(info), *map(str, info.cost), _inputs(info)] for info in others),
    )
    sources = markdown_table(
        ["signal", "source"], ([f"`{info.name}`", plain_cell(info.source)] for info in (*steps, *others))
    )
    return f"{HEAD}{STEP_HEAD}{first}{OTHER_HEAD}{second}{SOURCES_HEAD}{sources}"


def _start(info: SignalInfo) -> list[str]:
    return [f"{info.title} (`{info.name}`)", info.unit or "-", info.at_break or "-"]


def _inputs(info: SignalInfo) -> str:
    return ", ".join(f"`{name}`" for name in info.inputs)
