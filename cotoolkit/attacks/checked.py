"""Attacks for anybody's model, images and labels: the functions of this package behind the door of `intake`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import parse_number, whole_number
from cotoolkit.core.user_code import describe
from cotoolkit.intake.door import Brought, ModelOptions, bring, outside_inference
from cotoolkit.models.modes import BatchNormMode

Found = TypeVar("Found", bound=Tensor | AttackResult)

ROUNDING = 1e-3
"""How far, as a share, a start may lie outside the ball, by what float32 images and their normalisation round."""

WHOLE_NUMBERS = 0.5
"""By how much starts in whole numbers, as uint8 images have them, are rounded."""

OPTIONS = tuple(ModelOptions.__annotations__)


def leaves_box(threat: ThreatModel) -> bool:
    """Whether images may leave their range under a threat model.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(threat, ThreatModel):
        raise ConfigError(f'threat is {threat!r}; give a radius as a threat model: ThreatModel("8/255")')
    return threat.box == "none"


def check_threat(threat: ThreatModel, entries: int) -> None:
    """Refuse an l2 radius that reaches every image.

    Args:
        threat: the ball and the box.
        entries: of one image, pixels times channels.

    Raises:
        ConfigError: see above.
    """
    if threat.norm == "l2" and threat.epsilon > math.sqrt(entries):
        raise ConfigError(
            f"epsilon {threat.epsilon:g} reaches every image in l2 ({entries} entries); give it in [0, 1] units"
        )


def checked(attack: Callable[..., Found], *, gradient: bool = True) -> Callable[..., Found]:
    """An attack that checks and converts what it is given; as `attack`, and with `ModelOptions` as keywords.

    Perturbations and gradients are in the units of the images that were given, a start as well, and the model is left
    as it is. A step `alpha` is in [0, 1] units, as epsilon.

    Args:
        attack: takes a model, images, labels and a threat model, all trusted.
        gradient: it needs the gradient of the images.

    Returns:
        The function for anybody's model.
    """

    @functools.wraps(attack)
    def attacked(model: nn.Module, images: Any, labels: Any, threat: ThreatModel, **settings: Any) -> Found:
        options = {name: settings.pop(name) for name in OPTIONS if name in settings}
        leave = leaves_box(threat)
        settings |= _checked_settings(settings, threat)
        with outside_inference():
            brought = bring(model, images, labels, leave=leave, gradient=gradient, **options)
            check_threat(threat, brought.images[0].numel())
            if settings.get("start") is not None:
                settings["start"] = _checked_start(settings["start"], brought, threat)
            found = attack(brought.model, brought.images, brought.labels, threat, **settings)
            return cast("Found", _in_given_units(found, brought.scale))

    return attacked


def _checked_settings(settings: Mapping[str, Any], threat: ThreatModel) -> dict[str, Any]:
    """The settings that are numbers, as Python's, after a look at all of them but the start.

    Raises:
        ConfigError: one makes no sense.
    """
    numbers: dict[str, Any] = {}
    for name in {"steps", "queries", "batch_size"} & settings.keys():
        numbers[name] = whole_number(settings[name], name, 1)
    if "draws" in settings:
        numbers["draws"] = whole_number(settings["draws"], "draws", 0)
    for name in {"alpha", "k"} & settings.keys():
        try:
            numbers[name] = parse_number(settings[name])
        except ValueError as failure:
            raise ConfigError(f"{name}: {failure}") from None
        if numbers[name] is None and name == "k":
            raise ConfigError("k is None; give how many epsilon the noise reaches, such as 2")
        if numbers[name] is not None and numbers[name] < 0:
            raise ConfigError(f"{name} is {numbers[name]:g}; give 0 or more")
    if (numbers.get("alpha") or 0) > 1 and threat.norm == "linf":
        raise ConfigError(f"alpha is {numbers['alpha']:g}, beyond the whole range; give a step in [0, 1] units: 2/255")
    draws = settings.get("generator")
    if draws is not None and not isinstance(draws, torch.Generator):
        seed = draws if isinstance(draws, int) else 0
        raise ConfigError(f"generator is {draws!r}; give torch.Generator().manual_seed({seed})")
    if settings.get("bn_mode", "eval") not in get_args(BatchNormMode):
        raise ConfigError(f"bn_mode is {settings['bn_mode']!r}; give {' or '.join(get_args(BatchNormMode))}")
    return numbers


def _checked_start(start: Any, brought: Brought, threat: ThreatModel) -> Tensor:
    """A start in the units of the images that were given, as a perturbation of those in [0, 1], clipped to the box.

    Raises:
        ConfigError: it is no such perturbation, or outside the ball.
    """
    images = brought.images
    try:
        given = torch.as_tensor(start).detach().to(images)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise ConfigError(f"start: give a perturbation as a tensor ({describe(failure)})") from None
    if given.shape == (1, *images.shape[1:]):  # one for all images
        given = given.expand_as(images)
    if given.shape != images.shape:
        raise ConfigError(f"start is of shape {tuple(given.shape)}, and the images are {tuple(images.shape)}")
    if not given.isfinite().all():
        raise ConfigError("start is nan or infinite in places")
    own = given / brought.scale
    reach = float(own.abs().amax() if threat.norm == "linf" else own.flatten(1).norm(dim=1).amax())
    if reach > threat.epsilon * (1 + ROUNDING) + _rounded(start, given, brought, threat):
        raise ConfigError(
            f"start leaves the ball: its {threat.norm} norm is {reach:.4g} and epsilon {threat.epsilon:.4g}, both as "
            "shares of the images' range; it is given in the units of the images"
        )
    return threat.project(images, own)


def _rounded(start: Any, given: Tensor, brought: Brought, threat: ThreatModel) -> float:
    """By how much rounding may lengthen a start: that of its type, beside images of up to 1, or of whole numbers."""
    entry = 0.0
    if isinstance(start, Tensor) and start.dtype in (torch.float16, torch.bfloat16):
        entry = torch.finfo(start.dtype).eps
    levels = float(torch.as_tensor(brought.scale).min())
    if levels > 2 and bool((given == given.round()).all()):
        entry = max(entry, WHOLE_NUMBERS / levels)
    return entry * (1.0 if threat.norm == "linf" else math.sqrt(given[0].numel()))


def _in_given_units(found: Any, scale: Tensor | float) -> Any:
    if not isinstance(found, AttackResult) or (not isinstance(scale, Tensor) and scale == 1):
        return found
    start = None if found.start is None else found.start * scale
    return found._replace(delta=found.delta * scale, gradient=found.gradient / scale, start=start)
