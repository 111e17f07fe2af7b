"""Images of one's own, in folders named after their classes."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.numbers import Whole
from cotoolkit.core.reading.pictures import read_picture
from cotoolkit.core.registry import STRICT
from cotoolkit.core.user_code import describe
from cotoolkit.data.image_set import ImageSet

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Of the files that are read as images, in small or capital letters."""

SYSTEM = ("__MACOSX", "@eaDir")
"""Folders that archives and disks hide without a dot: of what macOS packs, and of previews."""


@dataclass(frozen=True, config=STRICT)
class ImageFolders:
    """Image files in `train/<class>/` and in `val/<class>/` or `test/<class>/`, read as RGB.

    Images may lie in folders of folders. Whatever is hidden (`.DS_Store`, `.ipynb_checkpoints`, `__MACOSX`) is passed
    over, and so are files without the ending of an image. What each kind of image becomes, `read_picture` says.

    Attributes:
        path: the folder that holds `train`.
        size: side in pixels to which every image is brought: its shorter side is resized (bilinear, antialiased), the
            middle is cropped. None: the images must all have one size.
    """

    path: Path
    size: Whole | None = None

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The images of `train`, and those of `test`, or of `val` if there is no `test`.

        Raises:
            DataError: a folder is missing, a file is no image, or images and classes do not fit together.
        """
        try:
            root = self.path.expanduser()
        except RuntimeError as failure:
            raise DataError(f"{self.path}: {failure}; write the folder in full") from failure
        if not root.is_dir():
            problem = "is a file" if root.exists() else "does not exist"
            raise DataError(f"{root} {problem}; name the folder that holds train and test (or val)")
        test = next((root / part for part in ("test", "val") if (root / part).is_dir()), None)
        if test is None or not (root / "train").is_dir():
            raise DataError(f"{root} must hold the folders train and test (or val), each with one folder per class")
        train_files, test_files = _files_by_class(root / "train"), _files_by_class(test)
        if train_files.keys() != test_files.keys():
            differing = sorted(train_files.keys() ^ test_files.keys())
            raise DataError(f"{root}: train and {test.name} must have the same classes; they differ in {differing}")
        return self._part(root / "train", train_files), self._part(test, test_files)

    def _part(self, folder: Path, files: dict[str, list[Path]]) -> ImageSet:
        from torchvision.transforms.v2.functional import center_crop, resize

        images: list[Tensor] = []
        for file in (file for members in files.values() for file in members):
            image = read_picture(file).expand(3, -1, -1)
            if self.size is not None:
                image = center_crop(resize(image, [self.size]), [self.size])
            if images and image.shape != images[0].shape:
                (height, width), (h, w) = images[0].shape[1:], image.shape[1:]
                raise DataError(f"{file} has {h} x {w} pixels, others {height} x {width}; choose a size to resize to")
            images.append(image)
        labels = torch.arange(len(files)).repeat_interleave(torch.tensor([len(members) for members in files.values()]))
        return ImageSet(str(folder), torch.stack(images), labels, len(files), tuple(files))


def _files_by_class(folder: Path) -> dict[str, list[Path]]:
    """The image files of each class folder, both in the order of their names."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not _hidden(entry.name))
        found = {name: _image_files(folder / name) for name in names}
    except OSError as failure:
        raise DataError(f"{folder} cannot be read ({describe(failure)})") from failure
    if not found:
        raise DataError(f"{folder} holds no folder; put the images of each class into one named after it")
    for name, files in found.items():
        if not files:
            raise DataError(f"{folder / name} holds no images ({', '.join(EXTENSIONS)}); add some or delete the folder")
    return found


def _image_files(folder: Path) -> list[Path]:
    """The image files in a folder and in the folders below it, links followed, folder by folder."""

    def refuse(failure: OSError) -> None:
        raise failure

    found: list[tuple[str, list[str]]] = []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = [name for name in folders if not _hidden(name)]
        for name in folders:
            if Path(place).resolve().is_relative_to(Path(place, name).resolve()):
                raise DataError(f"{Path(place, name)} is a link to a folder that it lies in; delete it")
        found.append((place, sorted(names)))
    files = (Path(place, name) for place, names in sorted(found) for name in names if not _hidden(name))
    return [file for file in files if file.suffix.lower() in EXTENSIONS]


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM
