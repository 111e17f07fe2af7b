"""What the words mean that stand in sources of claims and of printed numbers: the first one, and tags in brackets."""

WHOSE = {
    "paper": "read in the paper, off its figures, or in another text about it ([P], [F], [S])",
    "repository": "read in the repository that is named ([C], [R])",
    "ours": "recollected, reconstructed, derived, computed or proposed; all other tags",
}
"""Whose a claim is, by the first word of its source. Thresholds are ours in any case."""

SOURCE_TAGS: dict[str, str] = {
    "[P]": "read in the parts of the paper that could be read: title, abstract, opening pages, the authors' README",
    "[F]": "read off a figure of the paper, from its picture",
    "[S]": "read in another text: a talk's abstract, a later paper, related code",
    "[C]": "read in the code that the authors released",
    "[N]": "computed by us beforehand, by other code; printed by nobody",
    "[D]": "derived by us",
    "[H]": "a hypothesis or a proposal of ours",
    "[M]": "recollected and not checked against the paper; of a control, and in feature_purification, our choice",
    "[R]": "our reconstruction or choice; after *repository*, read in the repository that is named",
    "[R-high], [R-med], [R-low]": "recollected and not checked against the paper, with how sure that is",
    "[U]": "believed to be the paper's, not confirmed",
    "[NF]": "not found",
}
"""Meaning by tag. Other words in brackets are no tags."""
