"""Weights put into a network: which of a file's tensors belong to it, under which prefix, and what stands in the way.

Training code stores the same weights under many names: in a part of a checkpoint (`state_dict`, `model`, `net`), behind
the prefix of a wrapper (`module.` of DataParallel, `_orig_mod.` of torch.compile, `model.` of a LightningModule), or
twice, plain and as a moving average. All of these are prefixes of the network's own names, so they are found by looking
for the prefix under which every tensor of the network is there; no list of containers is needed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cotoolkit.core.errors import ModelError
from cotoolkit.intake.findings import Finding, handled, warning
from cotoolkit.intake.model_checks import check_finite
from cotoolkit.models.normalise import Statistics

WRAPPERS = {
    "module": "DataParallel or a moving average",
    "_orig_mod": "torch.compile",
    "_forward_module": "Fabric",
    "_fsdp_wrapped_module": "FSDP",
}
"""Parts that wrappers put into names, at any depth; names are compared without them."""

AVERAGED = re.compile(r"(^|[_./])(ema|swa|avg|averaged?|shadow|teacher)($|[_./])", re.IGNORECASE)
"""What prefixes of moving averages are called in the field's code: model_ema, state_dict_ema, swa_model."""

NORMALISATION = {"mean": 0, "mu": 0, "std": 1, "sigma": 1}
"""Last parts of the names of an input normalisation's buffers, and which of the two statistics each is."""

COUNTERS = ("num_batches_tracked", "total_ops", "total_params", "n_averaged")
"""Numbers that layers, profilers and averages keep beside the weights; no output depends on them in eval mode."""


class FittedWeights(NamedTuple):
    """What came of fitting.

    Attributes:
        findings: what was taken off, chosen or left out.
        statistics: of an input normalisation that the file has and the model lacks; None if there is none.
    """

    findings: list[Finding]
    statistics: Statistics | None


def fit_weights(
    model: nn.Module, weights: Mapping[str, Tensor], source: str, *, classes: int, key: str | None = None
) -> FittedWeights:
    """Load weights into a model, in place and strictly: every parameter is set, or an error says what lacks.

    Args:
        model: of the architecture that the weights are of. Where a part of it has all its parameters, and buffers alone
            lie outside (an input normalisation), weights of that part will do.
        weights: as `load_weights` gives them.
        source: where they come from, for messages.
        classes: of the data, for messages.
        key: prefix to take, where a file holds several weights that fit. None takes plain weights before moving
            averages, and the first in the file of several plain ones.

    Returns:
        What was met, and a normalisation that the file has.

    Raises:
        ModelError: wrong keys or shapes, or values that are not finite.
    """
    names, wrappers = _without_wrappers(weights)
    match = next(((part, found) for part in _parts(model) if (found := _fitting(names, part.module))), None)
    if match is None:
        raise ModelError(_misfit(source, names, model, classes))
    (part, module), fitting = match
    needed = _needed(module)
    prefix = _choose(source, fitting, key)
    chosen = {needed[name]: names[prefix + name] for name in needed if prefix + name in names}
    try:
        module.load_state_dict({**_counters(module), **chosen})
    except RuntimeError as failure:
        raise ModelError(f"{source} does not fit the model: {' '.join(str(failure).split())}") from failure
    check_finite(module, source)

    taken = {other + name for other in fitting for name in needed}
    left = [name for name in names if name not in taken and name.split(".")[-1] not in COUNTERS]
    statistics = _normalisation(prefix, left, names)
    findings = [
        *_name_findings(source, prefix, fitting, wrappers, part),
        *_dtype_findings(source, chosen.values()),
        *_left_findings(source, left, statistics),
    ]
    return FittedWeights(findings, statistics)


def _clean(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _without_wrappers(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by cleaned name, and the wrappers' parts that were taken out."""
    clean = {"/".join(map(_clean, name.split("/"))): tensor for name, tensor in weights.items()}
    if len(clean) < len(weights):  # two names differ in a wrapper's part alone, so it tells something
        return dict(weights), []
    parts = {part for name in weights for part in name.split("/")[-1].split(".")}
    return clean, [part for part in WRAPPERS if part in parts]


class _Part(NamedTuple):
    name: str
    module: nn.Module


def _parts(model: nn.Module) -> Iterator[_Part]:
    """The model, then those of its children, by name, that have all its parameters."""
    yield _Part("", model)
    every = {id(parameter) for parameter in model.parameters()}
    for name, child in model.named_children():
        if {id(parameter) for parameter in child.parameters()} == every:
            yield _Part(name, child)


def _needed(module: nn.Module) -> dict[str, str]:
    """The names of a module's tensors by their cleaned form."""
    return {_clean(name): name for name, value in module.state_dict().items() if isinstance(value, Tensor)}


def _votes(names: Iterable[str], needed: Container[str]) -> Counter[str]:
    """How many of the needed tensors are there under each prefix, prefixes in the order of the file."""
    votes: Counter[str] = Counter()
    for name in names:
        for start in (0, *(match.end() for match in re.finditer(r"[./]", name))):
            if name[start:] in needed:
                votes[name[:start]] += 1
    return votes


def _fitting(names: Mapping[str, Tensor], module: nn.Module) -> list[str]:
    """The prefixes under which the file has the network's tensors, in their shapes, and nothing else."""
    state, needed = module.state_dict(), _needed(module)
    required = {name for name in needed if name.split(".")[-1] not in COUNTERS}
    complete = [
        prefix
        for prefix in _votes(names, needed)
        if required
        and all(prefix + name in names and _same_shape(names[prefix + name], state[needed[name]]) for name in required)
    ]
    taken = {prefix + name for prefix in complete for name in needed}
    return [prefix for prefix in complete if not set(_excess(prefix, names)) - taken]


def _excess(prefix: str, names: Iterable[str]) -> Iterator[str]:
    """Names under a prefix and in the same dictionary as the network's that may be weights."""
    for name in names:
        inner = name.removeprefix(prefix)
        if name.startswith(prefix) and "/" not in inner and inner.split(".")[-1] not in (*COUNTERS, *NORMALISATION):
            yield name


def _same_shape(found: Tensor, wanted: Tensor) -> bool:
    return bool(is_lazy(wanted)) or found.shape == wanted.shape


def _choose(source: str, fitting: list[str], key: str | None) -> str:
    """The prefix that `key` begins, or without a key the first that is no moving average."""
    if key is not None:
        matching = [p for p in fitting if _shown(p) == key or p.startswith((f"{key}/", f"{key}."))]
        if not matching:
            known = ", ".join(_shown(prefix) for prefix in fitting)
            raise ModelError(f"{source} has no weights under {key!r} that fit the model; choose from: {known}")
        return matching[0]
    return min(fitting, key=lambda prefix: AVERAGED.search(prefix) is not None)


def _shown(prefix: str) -> str:
    return prefix.rstrip("./") or "plain"


def _counters(module: nn.Module) -> dict[str, Tensor]:
    """The module's own counters, for files that lack them."""
    return {name: value for name, value in module.state_dict().items() if name.split(".")[-1] in COUNTERS}


def _name_findings(source: str, prefix: str, fitting: list[str], wrappers: list[str], part: str) -> list[Finding]:
    findings = []
    if prefix:
        findings.append(handled(f"{source}: the weights are those under {_shown(prefix)!r}"))
    if wrappers:
        said = ", ".join(f"{name!r} ({WRAPPERS[name]})" for name in wrappers)
        findings.append(handled(f"{source}: names hold {said}, which was taken out"))
    if part:
        text = f"{source}: loaded into the model's part {part!r}, which has all parameters; buffers outside it stay"
        findings.append(handled(text))
    if len(fitting) > 1:
        others = ", ".join(_shown(other) for other in fitting if other != prefix)
        kind = "moving average" if AVERAGED.search(prefix) else "plain weights"
        text = f"{source} holds several weights that fit: {_shown(prefix)} was taken ({kind}), not {others}"
        findings.append(warning(f"{text}; --weights-key takes another"))
    elif AVERAGED.search(prefix):
        findings.append(handled(f"{source}: these are the moving average's weights, the only ones that fit"))
    return findings


def _dtype_findings(source: str, tensors: Iterable[Tensor]) -> list[Finding]:
    dtypes = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors if tensor.is_floating_point()})
    if dtypes == ["float32"]:
        return []
    return [
        handled(f"{source} stores {' and '.join(dtypes)} weights; they were loaded as the type the model is built in")
    ]


def _left_findings(source: str, left: list[str], statistics: Statistics | None) -> list[Finding]:
    findings = []
    if statistics is not None:
        left = [name for name in left if name.split(".")[-1] not in NORMALISATION]
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in statistics)
        text = f"{source} has an input normalisation beside the network (mean {mean}; std {std}), which the model built"
        findings.append(warning(f"{text} lacks; it is applied unless another is given"))
    if left:
        counted = Counter(re.split(r"[./]", name)[0] for name in left)
        listed = ", ".join(f"{part} ({count})" for part, count in counted.items())
        findings.append(handled(f"{source} holds other tensors, which were left out: {listed}"))
    return findings


def _normalisation(prefix: str, left: Iterable[str], names: Mapping[str, Tensor]) -> Statistics | None:
    """Mean and standard deviation that lie in the same dictionary as the network's weights, if there is one of each."""
    dictionary = prefix.rpartition("/")[0]
    found: dict[int, list[Tensor]] = {0: [], 1: []}
    for name in left:
        place = NORMALISATION.get(name.rpartition("/")[2].split(".")[-1])
        if place is not None and name.rpartition("/")[0] == dictionary:
            found[place].append(names[name].flatten().float())
    if len(found[0]) != 1 or len(found[1]) != 1:
        return None
    return Statistics(tuple(found[0][0].tolist()), tuple(found[1][0].tolist()))


def _misfit(source: str, names: Mapping[str, Tensor], model: nn.Module, classes: int) -> str:
    """Why no prefix fits, told of the one under which most of the network's tensors are."""
    state = {_clean(name): value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    votes = _votes(names, state)
    prefix = max(votes, key=lambda name: votes[name], default="")
    missing = [name for name in state if prefix + name not in names and name.split(".")[-1] not in COUNTERS]
    excess = [name for name in _excess(prefix, names) if name.removeprefix(prefix) not in state]
    if not votes:
        listed = f"it has {_few(list(names))}, the model needs {_few(missing)}"
        return f"{source} is of another architecture than the model: {listed}; check --model"
    if missing or excess:
        faults = [f"{len(missing)} tensors are missing ({_few(missing)})"] if missing else []
        faults += [f"{len(excess)} are in excess ({_few(excess)})"] if excess else []
        return f"{source} does not fit the model: {', and '.join(faults)}; check that --model is the same architecture"

    shapes = {
        name: (tuple(names[prefix + name].shape), tuple(value.shape))
        for name, value in state.items()
        if prefix + name in names and not _same_shape(names[prefix + name], value)
    }
    for name, (found, wanted) in shapes.items():
        if found and wanted and found[1:] == wanted[1:] and wanted[0] == classes:
            return f"{source}: the last layer ({name}) has {found[0]} outputs, the data {classes} classes"
    name, (found, wanted) = next(iter(shapes.items()))
    more = f" and {len(shapes) - 1} more differ" if len(shapes) > 1 else ""
    return (
        f"{source} does not fit the model: {name} is {found} in it and {wanted} in the model{more}; check that --model "
        "has the same width, and that the images have the same number of channels and size as those it was trained on"
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
