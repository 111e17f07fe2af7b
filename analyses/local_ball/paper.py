"""What the paper on local effectiveness claims, and which claims of ours test it (`analyses.papers.table`)."""

from __future__ import annotations

from analyses.papers import PaperClaim

PAPER = "Local effectiveness (2110.14030)"

PAPER_CLAIMS = (
    PaperClaim(
        PAPER,
        "W: with weak adversaries as robust as training on strong ones",
        "[P]; method reconstructed [R]",
        "local-ball",
        ("weak_matches_strong",),
        "against PGD-10, margin 1 point",
    ),
    PaperClaim(
        PAPER,
        "T: therefore cheaper at equal robustness",
        "[P], measured as [R]",
        "local-ball",
        ("above_pgd", "above_trades", "above_n_fgsm", "above_gradalign"),
        "cost in counted passes; one lambda_local",
    ),
    PaperClaim(
        PAPER,
        "S: with strong adversaries better than the state of the art",
        "[P]",
        "",
        (),
        "no strong-adversary arm was trained; the paper's numbers could not be read",
    ),
    PaperClaim(
        PAPER,
        "the ball belongs at the adversary",
        "[P] idea, test [R]",
        "local-ball",
        ("adversary_beats_clean", "adversary_beats_corner"),
        "equal rho, lambda and steps; the controls cost one unit more",
    ),
    PaperClaim(
        PAPER,
        "a global term is needed to join the local balls",
        "[P] idea, test [R]",
        "local-ball",
        ("global_term_needed",),
        "preset T; in preset M the question is empty",
    ),
    PaperClaim(
        PAPER,
        "FGSM with a local ball escapes catastrophic overfitting if and only if rho exceeds 1 - t*",
        "[R], not of the paper",
        "local-ball",
        ("if_and_only_if", "threshold_after"),
        "",
    ),
)
