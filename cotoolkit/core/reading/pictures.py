"""Pictures of every kind as pixel levels that mean what the picture shows."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.user_code import describe

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262
"""Tags of a TIFF file; the second is 0 where the least number is white."""


def read_picture(file: Path) -> Tensor:
    """The pixel levels of an image file, turned as its EXIF orientation says.

    Args:
        file: in any format that PIL reads, whatever its name says.

    Returns:
        (C, H, W) uint8, one channel for grey and three for colour; see `pixel_levels`.

    Raises:
        DataError: the file is missing, no image, broken, has several frames or so many pixels that PIL takes it for an
            attack, or its meaning is not certain.
    """
    from PIL import Image

    bombs = Image.DecompressionBombWarning, Image.DecompressionBombError
    try:
        with warnings.catch_warnings(action="ignore"):  # remarks on broken files, which fail, and on broken EXIF data
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                return _levels_of(image, file)
    except DataError:
        raise
    except bombs as bomb:
        raise DataError(f"{file} has more pixels than is safe to open ({describe(bomb)}); make it smaller") from bomb
    except Exception as failure:  # PIL raises whatever its decoder of a broken file stumbles over
        reason = f"{file} cannot be read as an image ({describe(failure)})"
        raise DataError(f"{reason}; delete it or get it again") from failure


def _levels_of(image: ImageFile, file: Path) -> Tensor:
    from PIL import ImageOps

    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a camera's further frames are previews of the first
        raise DataError(f"{file} has {frames} frames; save the one that counts as an image of its own")
    image.load()
    with contextlib.suppress(Exception):  # of broken EXIF data what can be read counts
        ImageOps.exif_transpose(image, in_place=True)
    return pixel_levels(image, str(file))


def pixel_levels(image: Image, where: str) -> Tensor:
    """A picture as levels from 0 to 255: 16-bit grey and floats in [0, 1] are brought to the nearest level.

    A palette, CMYK and YCbCr become RGB as PIL converts them; of colours with 16 bits it keeps the upper 8. An alpha
    channel is left out where it hides nothing.

    Args:
        image: the picture.
        where: it comes from, for messages.

    Returns:
        (C, H, W) uint8, one channel for grey and three for colour.

    Raises:
        DataError: some pixels are transparent, so that their colour depends on what is behind them; or the range or the
            colours are not certain (32-bit or signed whole numbers, floats outside [0, 1], HSV, LAB).
    """
    if image.mode.startswith(("I", "F")):
        return torch.from_numpy(_deep_grey(image, where)).unsqueeze(0)
    if image.mode in ("HSV", "LAB"):
        raise DataError(f"{where} has its colours as {image.mode}; convert it to RGB")
    grey = image.mode in ("1", "L", "LA")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise DataError(f"{where} has transparent pixels; put it on a background of your choice")
    pixels = np.array(image.convert("L" if grey else "RGB"))
    return torch.from_numpy(pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _deep_grey(image: Image, where: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Levels (H, W) of a grey picture with more than 8 bits."""
    values, tags = np.asarray(image), getattr(image, "tag_v2", {})
    if tags.get(PHOTOMETRIC) == 0:
        raise DataError(f"{where} has more than 8 bits and 0 as white; save it with 0 as black")
    if image.mode == "F":
        top = 1.0
        if not (values.min() >= 0 and values.max() <= 1):  # written so that nan fails, too
            raise DataError(
                f"{where} has floats from {values.min():g} to {values.max():g}; save them in [0, 1], or as 8 or 16 bits"
            )
    elif image.mode != "I" or image.format in ("PNG", "PPM"):  # as PIL before version 11 has their 16 bits
        top = 2.0 ** tags.get(BITS_PER_SAMPLE, (16,))[0] - 1
        if (values == image.info.get("transparency")).any():
            raise DataError(f"{where} has transparent pixels; put it on a background of your choice")
    else:
        raise DataError(
            f"{where} has whole numbers of 32 bits or with a sign, whose range is not certain; save 8 or 16 bits"
        )
    return np.rint(values * (255 / top)).astype(np.uint8)
