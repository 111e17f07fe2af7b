"""The reference of the configuration, docs/configuration.md: each field of `RunConfig` and of each registered part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cotoolkit.cli.reference.fields import REQUIRED, Setting, settings_in_words
from cotoolkit.cli.reference.markdown import markdown_table, plain_cell
from cotoolkit.config import RunConfig
from cotoolkit.core.registry import Registry
from cotoolkit.methods import METHODS
from cotoolkit.models import MODELS
from cotoolkit.optimizers import OPTIMIZERS
from cotoolkit.remedies import REMEDIES
from interventions import CARRIERS, INTERVENTIONS

HEAD = """# Configuration reference

Generated from `RunConfig` and the registries by `python -m cotoolkit.cli.reference`; do not edit.

Everything that decides what a run computes is a field of this configuration. It is given as words on the command line,
as fields in Python, or as a file:

    cotoolkit train data=digits method=n_fgsm method.k=3 epsilon=8/255 schedule.peak=0.4

```python
from cotoolkit import RunConfig

config = RunConfig(data="digits", method={"name": "n_fgsm", "k": 3}, epsilon="8/255", schedule={"peak": 0.4})
print(config.to_yaml())
```

A field of a part has the part's name before it: `method.k`, `data.holdout`, `intervention.carrier.p`. A part whose
fields all have defaults is given by its name alone: `method=n_fgsm`. Radii and strengths are in [0, 1] pixel units, and
numbers may be typed as fractions: `8/255`. `null` is `None` in Python, and a list is typed `(a,b)`. A field that is
unknown or out of its range is refused in one line before anything is trained. A run's folder is named by what differs
from the defaults below.

"""

PARTS: tuple[tuple[str, str, Registry[Any], str], ...] = (
    ("model", "Models", MODELS, "`module:function` names your own, `torchvision:NAME` one of torchvision's."),
    ("method", "Training methods", METHODS, "[The cost matrix](cost_matrix.md) says what each is, what a step of it"
     " takes, and where its defaults come from. `module:name` names one that your own module registers."),
    ("optimizer", "Optimisers", OPTIMIZERS, "The learning rate and the weight decay are fields of the run."),
    ("remedy", "Remedies", REMEDIES, "[What a run remembers](runs.md#remedies) compares them."),
    ("intervention", "Interventions", INTERVENTIONS, "Also of `input_layer`. `module:function` names your own."),
    ("carrier", "Carriers", CARRIERS, "The directions along which `inject`, `project` and their like work."),
)  # fmt: skip
"""Kinds of registered parts: the field that holds one, a heading, the registry, a remark."""

COLUMNS = ("takes", "default", "range", "meaning")


def configuration_page() -> str:
    """The page, in Markdown."""
    run = settings_in_words(RunConfig)
    sections = [("A run", "", run), *_within("", run)]
    parts = [HEAD]
    for title, about, settings in sections:
        table = markdown_table(["field", *COLUMNS], ([f"`{one.name}`", *_cells(one)] for one in settings))
        parts.append(f"## {title}\n\n{about}{table}\n")
    for kind, title, registry, remark in PARTS:
        rows = (row for name in registry.names() for row in _part_rows(name, registry[name]))
        table = markdown_table([kind, "setting", *COLUMNS], rows)
        parts.append(f"## {title}\n\n{remark}\n\n{table}\n")
    return "".join(parts).rstrip() + "\n"


def _within(path: str, settings: Iterable[Setting]) -> list[tuple[str, str, list[Setting]]]:
    """The sections of the configurations inside of one, in their order."""
    found = []
    for one in settings:
        for cls in one.nested:
            name = f"{path}{one.name}"
            inner = settings_in_words(cls)
            about = f"Fields of `{name}`: write `{name}.{inner[0].name}=...`.\n\n"
            found += [(f"`{name}`", about, inner), *_within(f"{name}.", inner)]
    return found


def _part_rows(name: str, cls: type) -> list[list[str]]:
    settings = settings_in_words(cls)
    if not settings:
        return [[f"`{name}`", "-", "-", "-", "-", "no settings"]]
    return [[f"`{name}`", f"`{one.name}`", *_cells(one)] for one in settings]


def _cells(one: Setting) -> list[str]:
    default = one.default if one.default == REQUIRED or not one.default else f"`{one.default}`"
    return [one.kind, default or "see below", one.limits or "-", plain_cell(one.meaning)]
