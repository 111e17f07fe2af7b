"""Who trains in a comparison, as data: methods by settings and radii by seeds, and who is left out for which reason."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, Self

from analyses.core.plan import ArmGroup, ConfigData, Plan, PlannedRun
from analyses.method_comparison.settings import SharedSettings, comparison_scale
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import format_number, parse_radius, refuse_beyond_range
from cotoolkit.data import load
from cotoolkit.methods import METHODS
from cotoolkit.studies.overrides import parse_settings

QUESTION = "Which training methods prevent catastrophic overfitting, at which cost, and how robust do they leave it?"


class LeftOut(NamedTuple):
    """A method that is not trained in a group.

    Attributes:
        group: settings and radius.
        method: its name.
        reason: in one line.
    """

    group: str
    method: str
    reason: str


class ComparisonPlan(Plan):
    """A comparison; its arms are methods, its groups settings and radii.

    Attributes:
        settings_of: the name of each group's settings, empty where there is one only.
        points: of the test set that are attacked; None means all.
        autoattack: whether AutoAttack is run on the points that the other attacks leave.
        left_out: methods that refuse the settings.
    """

    settings_of: dict[str, str]
    points: int | None = None
    autoattack: bool = False
    left_out: tuple[LeftOut, ...] = ()

    @property
    def methods(self) -> list[str]:
        """Methods that are trained in some group, in order."""
        return list(dict.fromkeys(arm for group in self.groups.values() for arm in group.arms))

    def without(self, refused: Sequence[LeftOut]) -> Self:
        """The same with more methods left out.

        Args:
            refused: which, where, and why.

        Returns:
            The plan.
        """
        pairs = {(one.group, one.method) for one in refused}
        groups = {
            name: group.only([arm for arm in group.arms if (name, arm) not in pairs])
            for name, group in self.groups.items()
        }
        return self.model_copy(update={"groups": groups, "left_out": (*self.left_out, *refused)})

    def firsts(self) -> Iterator[PlannedRun]:
        """The first run of each method in each group."""
        for name, group in self.groups.items():
            for arm in group.arms:
                yield PlannedRun(name, arm, group.seeds[0], group.config(arm, group.seeds[0]))


def comparison_plan(
    scale: str,
    methods: Sequence[str] = (),
    *,
    radii: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    exclude: Collection[str] = (),
    autoattack: bool | None = None,
) -> ComparisonPlan:
    """A comparison of registered methods with their defaults.

    Args:
        scale: what its numbers may be taken for.
        methods: names; none means all that are registered.
        radii: in place of those of the scale.
        seeds: in place of those of the scale.
        exclude: names to leave out.
        autoattack: None is as the scale has it.

    Returns:
        The plan; methods that refuse a group's configuration are left out there.

    Raises:
        ConfigError: no such scale or method, a radius or seed that is none, or nothing is left to train.
    """
    known, chosen = comparison_scale(scale)
    _check_radii(radii or (), "radii")
    unwanted = {METHODS[name].name for name in exclude}
    names = dict.fromkeys(METHODS[name].name for name in methods or METHODS.names())
    methods_of = {name: {"name": name, **chosen.methods.get(name, {})} for name in names if name not in unwanted}
    groups, settings_of, left_out = {}, {}, []
    for shared in chosen.settings:
        arms = {name: {"method": method, **_as_many_updates(shared, method)} for name, method in methods_of.items()}
        for radius in radii or shared.radii:
            name = group_name(shared.name, radius)
            group = _group(shared, radius, chosen.seeds if seeds is None else tuple(seeds), arms)
            groups[name], refused = _that_fit(name, group)
            settings_of[name] = shared.name
            left_out += refused
    attacked = chosen.autoattack if autoattack is None else autoattack
    if attacked and any(group.settings.get("box") == "none" for group in groups.values()):
        raise ConfigError(f"AutoAttack clips images to [0, 1], which those of scale {known} leave; leave it out")
    plan = ComparisonPlan(
        name=f"compare-{known}",
        question=QUESTION,
        scale=known,
        groups=groups,
        settings_of=settings_of,
        points=chosen.points,
        autoattack=attacked,
        left_out=tuple(left_out),
    )
    if not plan.methods:
        raise ConfigError(_nothing_left(plan))
    return plan


def group_name(settings: str, radius: float) -> str:
    """The name of a group: of its settings, if they have one, and its radius.

    >>> group_name("30 epochs", 8 / 255), group_name("", 0.25)
    ('30 epochs, ε 8/255', 'ε 0.25')
    """
    return f"{settings}, ε {format_number(radius)}" if settings else f"ε {format_number(radius)}"


def parse_radii(text: str) -> tuple[float, ...]:
    """Radii as people type them.

    >>> [round(255 * radius) for radius in parse_radii("8/255,16/255")]
    [8, 16]

    Raises:
        ConfigError: a word is no radius in (0, 1], or two stand for one.
    """
    try:
        radii = tuple(parse_radius(word.strip()) for word in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--radii {text}: {error}") from None
    _check_radii(radii, f"--radii {text}")
    return radii


def _check_radii(radii: Sequence[float], where: str) -> None:
    """Refuse radii that are no share of the pixel range, and those whose groups would have one name.

    Raises:
        ConfigError: naming where they were given.
    """
    for radius in radii:
        refuse_beyond_range(radius, f"{where}: a radius")
    if not all(radius > 0 for radius in radii) or len(set(map(format_number, radii))) < len(radii):
        raise ConfigError(f"{where}: give radii above 0 that differ in six digits, such as 8/255,16/255")


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds as people type them.

    >>> parse_seeds("0..2"), parse_seeds("0,3")
    ((0, 1, 2), (0, 3))

    Raises:
        ConfigError: a word is no seed, or stands twice.
    """
    seeds = parse_settings([f"seeds=[{text}]"])["seeds"]
    if not all(isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in seeds):
        raise ConfigError(f"--seeds {text}: give whole numbers from 0 on, such as 0..2 or 0,3")
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seeds {text}: a seed stands twice")
    return seeds


def trainable(plan: ComparisonPlan, *, download: bool = False) -> ComparisonPlan:
    """The plan without methods that cannot train on so many images, which is known once the data are read.

    Args:
        plan: of a comparison.
        download: let torchvision fetch missing data.

    Returns:
        The plan.

    Raises:
        ConfigError: nothing is left to train.
        DataError: the data are missing.
    """
    counts: dict[str, int] = {}
    refused = []
    for run in plan.firsts():
        key = run.config.data.model_dump_json()
        if key not in counts:
            counts[key] = len(load(run.config.data, run.seed, download=download).train)
        try:
            run.config.method.check_data(counts[key])
        except ConfigError as error:
            refused.append(LeftOut(run.group, run.arm, str(error)))
    left = plan.without(refused)
    if not left.methods:
        raise ConfigError(_nothing_left(left))
    return left


def steps_of(plan: ComparisonPlan, *, download: bool = False) -> dict[str, int]:
    """Iterations of a run, by group.

    Args:
        plan: of a comparison.
        download: let torchvision fetch missing data.

    Returns:
        Iterations; groups without methods are left out.
    """
    found = {}
    for run in plan.firsts():
        if run.group not in found:
            images = len(load(run.config.data, run.seed, download=download).train)
            found[run.group] = run.config.epochs * (images // run.config.batch_size)
    return found


def _group(shared: SharedSettings, radius: float, seeds: tuple[int, ...], arms: dict[str, ConfigData]) -> ArmGroup:
    return ArmGroup(why=shared.why, settings={**shared.base, "epsilon": radius}, seeds=seeds, arms=arms)


def _as_many_updates(shared: SharedSettings, method: ConfigData) -> ConfigData:
    """What lets a method that makes several updates a step end with about as many as the others: fewer epochs."""
    updates = METHODS.parse(method).updates_per_step()
    if updates == 1:
        return {}
    base = RunConfig.parse(shared.base)
    return {
        "epochs": max(1, round(base.epochs / updates)),
        "schedule.epsilon_warmup": base.schedule.epsilon_warmup / updates,
        "monitor.interval": max(1, round(base.monitor.interval / updates)),
    }


def _that_fit(name: str, group: ArmGroup) -> tuple[ArmGroup, list[LeftOut]]:
    """The group without the methods that refuse its configuration, and these with their reasons."""
    refused = []
    for arm in group.arms:
        try:
            group.config(arm, group.seeds[0])
        except ConfigError as error:
            refused.append(LeftOut(name, arm, str(error)))
    unfit = {one.method for one in refused}
    return group.only([arm for arm in group.arms if arm not in unfit]), refused


def _nothing_left(plan: ComparisonPlan) -> str:
    reasons = "; ".join(f"{one.method}: {one.reason}" for one in plan.left_out[:3])
    return f"no method is left to compare{': ' + reasons if reasons else ''}"
