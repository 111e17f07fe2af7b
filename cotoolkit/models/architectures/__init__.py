"""The networks one can name, a file each, found by itself."""

from cotoolkit.core.registry import load_entries

load_entries(__name__)
