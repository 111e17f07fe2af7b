"""What a method says that makes no sense outside of the max norm."""

from __future__ import annotations

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError


def require_linf(threat: ThreatModel, method: str, reason: str) -> None:
    """Refuse another norm.

    Args:
        threat: of training.
        method: its name.
        reason: why it needs the max norm.

    Raises:
        ConfigError: the threat is of another norm.
    """
    if threat.norm != "linf":
        raise ConfigError(f"{method} has no {threat.norm} form: {reason}; set norm=linf or take another method")
