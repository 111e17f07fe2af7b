"""Sources of the analysis's claims, as figures word them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from analyses.core.claims import ClaimResult

WORDS = {
    "[P]": "paper [P]: abstract",
    "[D]": "ours: derived [D]",
    "[D]; threshold ours": "ours: derived [D]",
    "[H]": "ours: hypothesis [H], section 5",
}
"""By the tag in `analyses.holistic_robust.answers`."""


def sourced(results: Iterable[ClaimResult]) -> list[ClaimResult]:
    """Claims with the tag of the spec written out."""
    return [
        dataclasses.replace(result, claim=dataclasses.replace(result.claim, source=WORDS[result.claim.source]))
        for result in results
    ]
