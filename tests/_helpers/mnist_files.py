"""Hand-made files in the format of MNIST."""

import gzip
import struct

import numpy as np


def idx_bytes(array):
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx_set(folder, counts=(6, 4), zipped=False):
    """Four IDX files of random 28 x 28 images; returns {part: (images, labels)}."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(0)
    parts = {}
    for part, count in zip(("train", "t10k"), counts, strict=True):
        images = numbers.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = numbers.integers(0, 10, count, dtype=np.uint8)
        for stem, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            if zipped:
                (folder / f"{stem}.gz").write_bytes(gzip.compress(idx_bytes(array)))
            else:
                (folder / stem).write_bytes(idx_bytes(array))
        parts[part] = images, labels
    return parts
