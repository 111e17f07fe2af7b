"""What made a number: versions and machine."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any


def environment(device: str) -> dict[str, Any]:
    """Versions and machine that made a number, as JSON data."""
    import torch

    packages = ["cotoolkit", "torch", "torchvision", "numpy", "lightning-fabric"]
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }
