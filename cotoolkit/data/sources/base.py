"""What a source of data is, the registry of those with a name, and where their files are found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cotoolkit.core.errors import DataError
from cotoolkit.core.registry import Registry
from cotoolkit.core.user_code import describe
from cotoolkit.data.image_set import ImageSet

DIGIT_NAMES = tuple("0123456789")


class DataSource(Protocol):
    """Where a training set and a test set come from."""

    def read(self, download: bool) -> tuple[ImageSet, ImageSet]:
        """The training and the test set; fetched from the network if they are missing and `download` is set.

        Raises:
            DataError: missing, damaged, or not a set of images to classify.
        """
        ...


class NamedDataSource(DataSource, Protocol):
    """A source in `DATASETS`."""

    name: ClassVar[str]


DATASETS = Registry[NamedDataSource]("data set", everywhere="cotoolkit datasets", own="data=MODULE:FUNCTION")
"""The public data sets by name."""


def data_folder(name: str, download: bool, advice: str = "") -> Path:
    """The folder that the environment variable COTOOLKIT_DATA names; made if something is to be downloaded into it.

    Args:
        name: of the data set, for messages.
        download: whether something is to be downloaded.
        advice: more to do where it is missing, for messages.

    Returns:
        The folder.

    Raises:
        DataError: the variable is unset, or names no folder and nothing is to be downloaded.
    """
    value = os.environ.get("COTOOLKIT_DATA")
    if not value:
        raise DataError(
            f"{name}: no data folder; set COTOOLKIT_DATA to the folder that holds it, or to an empty one and add "
            f"--download{advice}"
        )
    folder = Path(value).expanduser()
    if not folder.is_dir() and not download:
        raise DataError(
            f"{name}: COTOOLKIT_DATA is {folder}, which is no folder; correct it, or add --download{advice}"
        )
    return folder


def torchvision_set(class_name: str, name: str, root: Path, download: bool = False, **part: Any) -> Any:
    """An instance of a torchvision data set; what goes wrong becomes one line.

    Args:
        class_name: in `torchvision.datasets`.
        name: of the data set, for messages.
        root: folder that holds it.
        download: fetch it if it is missing.
        part: which part of it, in the words of that class.

    Returns:
        The instance.

    Raises:
        DataError: the files are not there, differ from their official MD5 sums, or cannot be downloaded.
    """
    from torchvision import datasets

    try:
        return getattr(datasets, class_name)(root, download=download, **part)
    except (OSError, RuntimeError) as failure:  # URLError is an OSError; everything else torchvision calls RuntimeError
        if download:
            raise DataError(f"{name}: download into {root} failed ({describe(failure)}); try again") from failure
        raise DataError(
            f"{name}: its files in {root} are missing or damaged (MD5 sums differ); delete what is there of it and add "
            f"--download"
        ) from failure
