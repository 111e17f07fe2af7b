"""MNIST and its replacements: four files in the IDX format, plain or gzipped.

Source: http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.registry import Registered
from cotoolkit.data.image_set import ImageSet
from cotoolkit.data.sources.base import data_folder, torchvision_set

UNSIGNED_BYTE = 0x08


class IdxSet(Registered):
    """MNIST and its replacements: four IDX files, plain or gzipped."""

    torchvision_class: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]
    system_folders: ClassVar[tuple[Path, ...]] = ()
    advice: ClassVar[str] = ""

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The 60,000 training and 10,000 test images, 1 x 28 x 28."""
        folder = self._folder(download)
        return self._part(folder, "train"), self._part(folder, "t10k")

    def _folder(self, download: bool) -> Path:
        value = os.environ.get("COTOOLKIT_DATA")
        own = [Path(value).expanduser() / self.torchvision_class / "raw"] if value else []
        for folder in (*own, *self.system_folders):
            if all(
                _idx_file(folder, part, kind).exists() for part in ("train", "t10k") for kind in ("images", "labels")
            ):
                return folder
        root = data_folder(self.name, download, self.advice)
        folder = root / self.torchvision_class / "raw"
        if not download:
            raise DataError(f"{self.name}: not all of its four files are in {folder}; add --download{self.advice}")
        torchvision_set(self.torchvision_class, self.name, root, download=True)
        return folder

    def _part(self, folder: Path, part: str) -> ImageSet:
        images = read_idx(_idx_file(folder, part, "images"), dimensions=3).unsqueeze(1)
        labels = read_idx(_idx_file(folder, part, "labels"), dimensions=1).to(torch.int64)
        return ImageSet(f"{self.name} in {folder}", images, labels, len(self.class_names), self.class_names)


def _idx_file(folder: Path, part: str, kind: str) -> Path:
    file = folder / f"{part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
    return file if file.exists() else file.with_name(f"{file.name}.gz")


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The uint8 tensor in an IDX file.

    The file starts with two zero bytes, a type code, the number of dimensions, and each size as a big-endian uint32.

    Args:
        path: a `.gz` file, or a plain one.
        dimensions: how many the tensor must have: 3 for images, 1 for labels.

    Returns:
        uint8, of the sizes that the file announces.

    Raises:
        DataError: the file cannot be read, is truncated or too long, or holds something else.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as failure:
        raise DataError(f"{path} is damaged or unreadable ({failure}); get it again") from failure
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes((0, 0, UNSIGNED_BYTE, dimensions)):
        raise DataError(f"{path} is not an IDX file of bytes with {dimensions} dimensions; get it again")
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    if len(content) != header + math.prod(shape):
        raise DataError(
            f"{path} is damaged: it announces shape {shape} and holds {len(content) - header} bytes; get it again"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy())
