"""The IDX file format of MNIST and Fashion-MNIST, plain or gzipped. Source: http://yann.lecun.com/exdb/mnist/."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cotoolkit.core.errors import DataError

UNSIGNED_BYTE = 0x08


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The uint8 tensor in an IDX file.

    The file starts with two zero bytes, a type code, the number of dimensions, and each size as a big-endian uint32.

    Args:
        path: a `.gz` file, or a plain one.
        dimensions: how many the tensor must have: 3 for images, 1 for labels.

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
