"""The defaults of the configuration's format, frozen in a file that may only grow.

    python -m tests._helpers.defaults     adds new fields and parts to the file, and refuses any other change

Identities hash differences from defaults. A default that changed would give a run of before the identity of another run
of now, so it must come with another `FORMAT`, which has a file of its own.
"""

import json
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cotoolkit.config import FORMAT, RunConfig
from cotoolkit.core.identity import differences
from cotoolkit.core.registry import Registry

FILE = Path(__file__).with_name(f"defaults_of_format_{FORMAT}.json")

COMMAND = "python -m tests._helpers.defaults"

REQUIRED = "(required)"

PACKAGES = ("cotoolkit", "interventions")

Defaults = dict[str, dict[str, Any]]


def parts() -> dict[str, type]:
    """Every class of ours that a run's configuration can hold, by a name: `RunConfig`, `method fgsm`, ..."""
    registered = {f"{registry.kind} {name}": registry[name] for registry in _registries() for name in registry.names()}
    found = {name: part for name, part in registered.items() if part.__module__.partition(".")[0] in PACKAGES}
    for root in (RunConfig, *found.values()):
        found |= {part.__name__: part for part in _nested(root) if part not in found.values()}
    return dict(sorted(found.items()))


def _registries() -> Iterator[Registry[Any]]:
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in PACKAGES:
            yield from (value for value in vars(module).values() if isinstance(value, Registry))


def _nested(part: Any) -> Iterator[type]:
    """The class itself, if it has fields, and those in the types of its fields."""
    if fields := getattr(part, "__pydantic_fields__", None):
        yield part
        for field in fields.values():
            yield from _nested(field.annotation)
    for inner in typing.get_args(part):
        yield from _nested(inner)


def defaults() -> Defaults:
    """The default of every field of every part, as it stands in identities."""
    return {
        name: {
            field: REQUIRED if info.is_required() else differences(info.get_default(call_default_factory=True))
            for field, info in part.__pydantic_fields__.items()  # type: ignore[attr-defined]
        }
        for name, part in parts().items()
    }


def changes(frozen: Defaults, now: Defaults) -> list[str]:
    """One line for each frozen part that is gone, and each frozen default that is gone or another one."""
    gone = [f"{part}: is gone" for part in frozen if part not in now]
    return gone + [
        f"{part}.{field}: was {value!r}, is {now[part].get(field, 'gone')!r}"
        for part in frozen
        if part in now
        for field, value in frozen[part].items()
        if field not in now[part] or now[part][field] != value
    ]


def additions(frozen: Defaults, now: Defaults) -> list[str]:
    """Parts and fields that are not frozen yet."""
    fields = [f"{part}.{field}" for part in frozen for field in now.get(part, {}) if field not in frozen[part]]
    return [part for part in now if part not in frozen] + fields


def read() -> Defaults:
    """What is frozen."""
    frozen: Defaults = json.loads(FILE.read_text())
    return frozen


if __name__ == "__main__":
    if FILE.exists() and (found := changes(read(), defaults())):
        sys.exit("\n".join([f"defaults of format {FORMAT} changed; raise FORMAT in cotoolkit/config.py:", *found]))
    FILE.write_text(json.dumps(defaults(), indent=1) + "\n")
