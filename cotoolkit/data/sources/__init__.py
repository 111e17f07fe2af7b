"""Where data come from: the named data sets, a file each, found by itself; and a user's own."""

from cotoolkit.core.registry import load_entries
from cotoolkit.data.sources.base import DATASETS, DataSource

load_entries(__name__)

__all__ = ["DATASETS", "DataSource"]
