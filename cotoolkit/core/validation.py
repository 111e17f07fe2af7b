"""Settings that people typed: plain values, and what is wrong with them in one line."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import shortened

C = TypeVar("C", bound=type)


def plain(value: Any) -> Any:
    """Settings with Python's numbers and lists in place of those of numpy, torch, pandas, fractions and decimals."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, Fraction | Decimal):
        return float(value)
    return value.tolist() if hasattr(value, "tolist") else value


LONGEST_NAME = 80
"""Characters of a name that people give."""


def check_name(name: str) -> str:
    """A name that becomes part of a path, as it is.

    Raises:
        ValueError: it is empty or too long, or no name of a single file.
    """
    if not name.strip() or len(name) > LONGEST_NAME:
        raise ValueError(f"{name[:LONGEST_NAME]!r} is no name; give 1 to {LONGEST_NAME} characters")
    if name != name.strip() or name.startswith(".") or not name.isprintable() or set(name) & set("/\\"):
        raise ValueError(f"{name!r} is no name; leave out separators, leading dots and control characters")
    return name


MOST_VALUES = 200_000
"""In a file of settings; a few lines of aliases can stand for any number."""


def load_yaml(content: str | bytes) -> Any:
    """What YAML says: through libyaml where that is there, which takes an eighth of the time.

    Raises:
        yaml.YAMLError: no YAML, or nested deeper than libyaml goes.
        ValueError: a date that is none.
        RecursionError: nested deeper than Python goes.
    """
    import yaml

    return yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def read_settings(path: Path, kind: str = "file") -> Any:
    """What a YAML file of settings holds.

    Args:
        path: of the file.
        kind: of the file, for the message.

    Returns:
        Plain data, of which all keys are text.

    Raises:
        ConfigError: no such file, no YAML, keys that are no text, or nested too deeply.
    """
    try:
        return plain_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such {kind}") from None
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from None


def plain_yaml(text: str) -> Any:
    """What a text in YAML says, in Python's plain types.

    Args:
        text: in YAML.

    Returns:
        Plain data, of which all keys are text.

    Raises:
        ValueError: no YAML, keys that are no text or are given twice, nested too deeply, or more than a file holds that
            somebody wrote.
    """
    import yaml

    try:
        for name in _repeated(yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), set()):
            raise ValueError(f"the name {name!r} is given twice")
        data = load_yaml(text)
        for count, _ in enumerate(_places(data)):
            if count > MOST_VALUES:
                raise ValueError(f"holds more than {MOST_VALUES:,} values")
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except yaml.YAMLError as error:
        if "nesting depth" in str(error):
            raise ValueError("is nested too deeply") from None
        raise ValueError(f"cannot be read as YAML: {' '.join(str(error).split())}") from None
    return data


def _repeated(node: Any, seen: set[int]) -> Iterator[str]:
    """Names that stand twice in one mapping below a node of a YAML document; aliases may lead back to it."""
    import yaml

    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    parts = node.value
    if isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in parts if isinstance(key, yaml.ScalarNode)]
        yield from (name for name, count in Counter(names).items() if count > 1)
        parts = [value for _, value in parts]
    for part in parts:
        yield from _repeated(part, seen)


def _places(data: Any) -> Iterator[Any]:
    """All values of nested data.

    Raises:
        ValueError: a key is no text.
    """
    yield data
    if isinstance(data, dict):
        for key in data:
            if not isinstance(key, str):
                raise ValueError(f"the name {key!r} is no text; put it in quotes")
    if isinstance(data, dict | list):
        for part in data.values() if isinstance(data, dict) else data:
            yield from _places(part)


MOST_NAMES = 8
"""Names that a message gives."""

OTHER_NAMES = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "eps": "epsilon",
    "radius": "epsilon",
    "bs": "batch_size",
    "batch": "batch_size",
    "alpha": "method.alpha",
    "step_size": "method.alpha",
    "steps": "method.steps",
    "momentum": "optimizer.momentum",
    "opt": "optimizer",
    "arch": "model",
    "network": "model",
    "architecture": "model",
    "dataset": "data",
    "attack": "method",
    "scheduler": "schedule.kind",
    "lr_schedule": "schedule.kind",
    "milestones": "schedule.milestones",
    "amp": "precision",
    "normalize": "normalise",
    "beta": "intervention.beta",
}
"""What settings are called elsewhere."""


def name_hint(name: str, known: Mapping[str, str], everywhere: str = "", *, cutoff: float = 0.5) -> str:
    """What to write in place of a name that does not exist.

    Args:
        name: what was given.
        known: the names there are, other words among them, each with the name that is shown for it.
        everywhere: the command or page that lists all.
        cutoff: how near a name has to be to be meant, from 0 to 1.

    Returns:
        The nearest names; all of them if they are few.

    >>> name_hint("fgms", {"fgsm": "fgsm", "pgd": "pgd"}), name_hint("x", {"fgsm": "fgsm", "pgd": "pgd"})
    ('did you mean fgsm?', 'choose from: fgsm, pgd')
    """
    near = dict.fromkeys(known[word] for word in difflib.get_close_matches(name, sorted(known), n=3, cutoff=cutoff))
    if near:
        return f"did you mean {' or '.join(near)}?"
    names = sorted(set(known.values()))
    if len(names) <= MOST_NAMES:
        return f"choose from: {', '.join(names)}"
    nearest = difflib.get_close_matches(name, names, n=MOST_NAMES, cutoff=0)
    rest = f"; `{everywhere}` lists all {len(names)}" if everywhere else f" and {len(names) - len(nearest)} more"
    return f"the nearest are {', '.join(nearest)}{rest}"


def unknown_field(name: str, known: Iterable[str]) -> str:
    """One line for a field that does not exist.

    Args:
        name: what was given.
        known: the names of the fields there are.

    Returns:
        The line, with the nearest names.
    """
    names = {field: field for field in known}
    other = OTHER_NAMES.get(name.lower(), "")
    if other in names or other.partition(".")[0] in names:
        return f"unknown setting {name!r}: did you mean {other}?"
    return f"unknown setting {name!r}: {name_hint(name, names, cutoff=0.6)}"


def place_of(detail: Any, cls: type | None = None) -> str:
    """The field that an error of pydantic is about.

    Args:
        detail: one of its errors.
        cls: the dataclass whose constructor raised it, which knows its positional arguments by number.

    Returns:
        Dotted names; empty where it is about no field alone.
    """
    first, *rest = detail["loc"] or ("",)
    if isinstance(first, int) and cls is not None and dataclasses.is_dataclass(cls):
        fields = [field.name for field in dataclasses.fields(cls) if not field.kw_only]
        first = fields[first] if first < len(fields) else first
    return ".".join(str(part) for part in (first, *rest))


def one_line(error: ValidationError, cls: type | None = None) -> str:
    """Errors of pydantic as one line: field, reason, and what was given.

    Args:
        error: of pydantic.
        cls: as for `place_of`.

    Returns:
        The line.
    """
    parts = []
    for detail in error.errors():
        where = place_of(detail, cls)
        reason = detail["msg"].removeprefix("Value error, ")
        if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            reason = "no such setting"
        given = detail.get("input")
        shown = f" (given: {shortened(given)})" if isinstance(given, str | int | float) else ""
        parts.append(f"{where}: {reason}{shown}" if where else reason)
    return "; ".join(parts)


def refusing_in_one_line(cls: C) -> C:
    """Class decorator: the constructor of a pydantic model or dataclass raises a one-line `ConfigError`.

    Inside of other pydantic models nothing changes: these explain themselves.
    """
    return explaining(cls, lambda error: ConfigError(f"{cls.__name__}: {one_line(error, cls)}"))


def explaining(cls: C, explain: Callable[[ValidationError], ConfigError]) -> C:
    """A pydantic class whose constructor raises our errors in place of pydantic's several lines.

    Args:
        cls: the class, which is changed.
        explain: makes the error.

    Returns:
        The class.
    """
    init = cast("Any", cls).__init__

    @functools.wraps(init)
    def in_our_words(instance: Any, *args: Any, **fields: Any) -> None:
        try:
            init(instance, *args, **fields)
        except ValidationError as error:
            raise explain(error) from None

    cast("Any", cls).__init__ = in_our_words
    return cls
