"""What was trained for a figure, in one sentence per data set and network, from the configurations of its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cotoolkit.config import RunConfig
from cotoolkit.core.numbers import format_number
from cotoolkit.plotting.style import METHOD_STYLES
from figures.plan import epoch_images

if TYPE_CHECKING:
    from cotoolkit.studies.scale import Scale
    from figures.recipe import Recipe

DATA = {
    "digits": "scikit-learn's digits, 8 × 8",
    "figures.co_features.sources:digits16": "scikit-learn's digits enlarged to 16 × 16",
    "figures.co_features.sources:unrelated_digits": "scikit-learn's digits with shuffled labels",
    "figures.co_features.sources:unrelated_cifar10": "CIFAR-10 with shuffled labels",
    "figures.co_features.sources:unrelated_fashion_mnist": "Fashion-MNIST with shuffled labels",
    "planted": "the planted data, 5 × 5",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "analyses.memorisation.cifar100_subset:cifar100_first": "CIFAR-100, the first 100 of each class",
}
"""How data sets are written; others bear the name of their configuration."""

SIZES = {
    "digits": 1437,
    "figures.co_features.sources:digits16": 1437,
    "figures.co_features.sources:unrelated_digits": 1437,
    "planted": 2000,
    "analyses.memorisation.cifar100_subset:cifar100_first": 10_000,
}
"""Training images of the sets that `figures.plan` does not count, held-out ones included."""

NETWORKS = {
    "small_cnn": "a small CNN of width {width}",
    "single_layer_cnn": "a CNN of one convolution with {width} filters of {kernel} × {kernel}",
    "mlp": "an MLP with hidden layers of {hidden} units",
    "preact_resnet18": "a PreActResNet-18 of width {width}",
}

METHODS = {"dom": "DOM-RE", "hr_control": "controls of HR", "free": "Free-AT"}
"""How methods are written that `METHOD_STYLES` does not have."""

OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}

FEW = 12
"""Methods that are named; of more the number is."""


def setting_of(recipe: Recipe, scale: Scale) -> str:
    """What was trained for a figure at a scale.

    Args:
        recipe: of the figure.
        scale: its size.

    Returns:
        Sentences; empty where the recipe trains nothing and says nothing of it.
    """
    if recipe.setting is not None:
        return recipe.setting(scale)
    return setting_sentence([run for study in recipe.at(scale) for run in study.runs()])


def setting_sentence(runs: Sequence[RunConfig]) -> str:
    """Data, network, methods, radii, epochs and optimiser of some runs.

    Args:
        runs: in any number.

    Returns:
        A sentence per data set and network, in their order; empty without runs.
    """
    groups: dict[tuple[str, str], list[RunConfig]] = {}
    for run in runs:
        groups.setdefault((run.data.name, network_text(run)), []).append(run)
    return " ".join(_sentence(*key, members) for key, members in groups.items())


def _sentence(data: str, network: str, runs: Sequence[RunConfig]) -> str:
    images = any_of(f"{count:,}" for count in sorted({_images(run) for run in runs}))
    parts = [
        f"{images} training images of {DATA.get(data, data)}",
        network,
        _methods(runs),
        *_radii(runs),
        f"{any_of(sorted({run.epochs for run in runs}))} epochs in batches of "
        f"{any_of(sorted({run.batch_size for run in runs}))}",
        any_of(dict.fromkeys(_optimiser(run) for run in runs)),
        _seeds(runs),
    ]
    return f"{'; '.join(parts)}."


def any_of(values: Iterable[object]) -> str:
    """The values as text: "1", "1 or 2", "1, 2 or 3"."""
    *rest, last = map(str, values)
    return f"{', '.join(rest)} or {last}" if rest else last


def network_text(run: RunConfig) -> str:
    """The network of a run, in words."""
    fields = {name: value for name, value in run.to_data()["model"].items() if name != "name"}
    name = run.to_data()["model"]["name"]
    if "hidden" in fields:
        fields["hidden"] = " and ".join(map(str, fields["hidden"]))
    return NETWORKS[name].format(**fields) if name in NETWORKS else f"the network {name}"


def _images(run: RunConfig) -> int:
    counted = epoch_images(run)
    if counted is not None:
        return counted
    size, share = SIZES[run.data.name], run.data.subset.share if run.data.subset is not None else 1
    held = round(run.data.holdout * size) if isinstance(run.data.holdout, float) else run.data.holdout
    return int((size - held) * share)


def _methods(runs: Sequence[RunConfig]) -> str:
    names = dict.fromkeys(_method(run.to_data()["method"]) for run in runs)
    return f"{len(names)} training methods" if len(names) > FEW else f"training: {', '.join(names)}"


def _method(fields: Mapping[str, Any]) -> str:
    name = fields["name"]
    shown = METHOD_STYLES[name][0] if name in METHOD_STYLES else METHODS.get(name, name)
    if name == "pgd":
        shown = f"{shown}-{fields['steps']}"
    return f"{shown} ({_method(fields['inner'])} inside)" if isinstance(fields.get("inner"), Mapping) else shown


def _radii(runs: Sequence[RunConfig]) -> list[str]:
    """By norm, the radii of the runs that train on adversaries."""
    found: dict[str, set[float]] = {}
    for run in runs:
        if run.method.name != "standard":
            found.setdefault(run.norm, set()).add(run.epsilon)
    return [f"{norm} radius {any_of(map(format_number, sorted(radii)))}" for norm, radii in found.items()]


def _optimiser(run: RunConfig) -> str:
    name = run.optimizer.name
    return f"{OPTIMIZERS.get(name, name)}, {run.schedule.kind} learning rate up to {run.learning_rate:g}"


def _seeds(runs: Sequence[RunConfig]) -> str:
    """How many seeds an arm has; the most, where arms differ. Before that how many random subsets are trained on."""
    counts = set(Counter(run.model_copy(update={"seed": 0}).identity for run in runs).values())
    subsets = len({run.data.subset.number for run in runs if run.data.subset is not None})
    most = max(counts)
    seeds = f"{'up to ' * (len(counts) > 1)}{most} seed{'s' * (most != 1)}"
    return f"{subsets} random subsets; {seeds}" if subsets > 1 else seeds
