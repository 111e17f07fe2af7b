"""Questions asked of finished runs or of a model: tables first, plots from the tables."""

from cotoolkit.core.importing.siblings import SIBLINGS

SIBLINGS.claim(["analyses"])
