"""docs/claims.md: what three papers claim and what our studies say. `python -m analyses.claims_document` prints it."""

from __future__ import annotations

from pathlib import Path

from analyses.holistic_robust.paper import PAPER_CLAIMS as HOLISTIC
from analyses.local_ball.paper import PAPER_CLAIMS as LOCAL_BALL
from analyses.memorisation.paper import PAPER_CLAIMS as MEMORISATION
from analyses.papers import table

GALLERY = Path(__file__).parents[1] / "figures" / "gallery"

INTRODUCTION = """\
# Three papers, claim by claim

Of these papers the abstracts could be read, and of the first the released code; not their tables or figures. So no
number below is theirs, and none can be confirmed or refuted: what is tested is whether a claim holds at our scales,
with methods that for the second and third paper are reconstructions. `smoke` is digits and planted data, `laptop`
Fashion-MNIST; nothing here stands for CIFAR-10.

A claim is *supported* if all the claims of ours that test it hold, that is, if their 95 % intervals over seeds lie on
the right side of the threshold; *not supported* if one lies on the wrong side; else *undecided*. *Not tested* means
that the scale leaves out what it needs. Tags: [P] read in the paper, [C] in its code, [R] our reconstruction or choice,
[D] derived, [H] a hypothesis of ours, [U] believed but not confirmed, [NF] not found. The numbers are means with those
intervals, from the claims tables in [figures/gallery](../figures/gallery/README.md). This page is generated.

"""


def document(folder: Path = GALLERY) -> str:
    """The page, from the claims tables in a folder."""
    return INTRODUCTION + table((*HOLISTIC, *MEMORISATION, *LOCAL_BALL), folder)


if __name__ == "__main__":
    print(document(), end="")
