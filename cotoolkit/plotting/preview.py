"""What an intervention does to images: original, changed, difference, and the spectrum of the change."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from cotoolkit.plotting.style import STYLE
from interventions import dct2

COLUMNS = ("original", "changed", "difference", "spectrum of\nthe original", "spectrum of\nthe changed")


def preview(original: Tensor, changed: Tensor, titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A row per image: original, changed, their difference, and the log-spectra (DCT-II) of both.

    Pixels outside [0, 1] are shown at the nearest end. The difference is centred at grey (or white), on one scale for
    all rows. Spectra are log10 of the magnitude, mean over channels, low frequencies at the top left, on one scale.

    Args:
        original: (B, C, H, W), C being 1 or 3.
        changed: the same shape.
        titles: (B,), written at the left of each row.

    Returns:
        The figure and its axes, row by row.
    """
    original, changed = original.detach().cpu().float(), changed.detach().cpu().float()
    difference = changed - original
    largest = max(float(difference.abs().max()), 1e-8)
    spectra = [_log_spectrum(images) for images in (original, changed)]
    low, high = float(np.percentile(spectra[0], 2)), float(max(spectrum.max() for spectrum in spectra))
    rows = len(original)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(1.7 * len(COLUMNS) + 0.8, 1.55 * rows + 0.75), layout="constrained")
        grid = figure.subplots(rows, len(COLUMNS), squeeze=False)
        for row in range(rows):
            _show(grid[row, 0], original[row])
            _show(grid[row, 1], changed[row])
            if difference.shape[1] == 1:
                shown = grid[row, 2].imshow(difference[row, 0], cmap="RdBu_r", vmin=-largest, vmax=largest)
            else:
                shown = grid[row, 2].imshow((0.5 + difference[row] / (2 * largest)).permute(1, 2, 0))
            for column, spectrum in enumerate(spectra, start=3):
                image = grid[row, column].imshow(spectrum[row], cmap="viridis", vmin=low, vmax=high)
            grid[row, 0].set_ylabel(titles[row], rotation=0, ha="right", va="center")
        for column, name in enumerate(COLUMNS):
            grid[0, column].set_title(name)
        grid[0, 2].set_title(f"difference\n±{largest:.3g}")
        for axis in grid.flat:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        if difference.shape[1] == 1:
            figure.colorbar(shown, ax=grid[:, 2].tolist(), shrink=0.6, location="bottom", aspect=12)
        figure.colorbar(
            image, ax=grid[:, 3:].ravel().tolist(), shrink=0.6, location="bottom", aspect=24, label="log10 magnitude"
        )
    return figure, list(grid.flat)


def _show(axis: Axes, image: Tensor) -> None:
    pixels = image.clamp(0, 1)
    if len(pixels) == 1:
        axis.imshow(pixels[0], cmap="gray", vmin=0, vmax=1)
    else:
        axis.imshow(pixels.permute(1, 2, 0))


def _log_spectrum(images: Tensor) -> np.ndarray:
    """(B, C, H, W) -> (B, H, W)."""
    magnitude = dct2(images.double()).abs().mean(1)
    return torch.log10(magnitude + 1e-6).numpy()
