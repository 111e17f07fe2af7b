"""Pictures of measured results: `gallery/` holds each with the result file it is drawn from."""

from cotoolkit.core.importing.siblings import SIBLINGS

SIBLINGS.claim(["figures"])
