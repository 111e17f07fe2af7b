"""What the paper on Holistic Robust training claims, and which claims of ours test it (`analyses.papers.table`)."""

from __future__ import annotations

from analyses.papers import PaperClaim

PAPER = "Holistic Robust (ICML 2023)"

PAPER_CLAIMS = (
    PaperClaim(
        PAPER,
        "adversarial training overfits strongly although standard training barely does",
        "[P]",
        "holistic",
        ("at_overfits_more",),
        "small networks and few images; the gap in loss, at the smallest share of the data",
    ),
    PaperClaim(
        PAPER,
        "a KL radius r > 0 protects against robust overfitting",
        "[P]",
        "holistic",
        ("hr_smaller_gap", "hr_keeps_its_best"),
        "alpha = 0; one r",
    ),
    PaperClaim(
        PAPER,
        "the training loss of HR upper-bounds the loss out of sample",
        "[P]; constant not found",
        "holistic",
        ("nominal_bound",),
        "W = 10 nats, PGD-20 losses: a lower estimate of the inner maximum",
    ),
    PaperClaim(
        PAPER,
        "with W the largest loss seen, as in the released code, the same number is no bound",
        "[D], against the code",
        "holistic",
        ("seen_bound_fails",),
        "W the largest training loss",
    ),
    PaperClaim(
        PAPER,
        "HR is more robust than adversarial training",
        "[P] (state of the art)",
        "holistic",
        ("hr_more_robust",),
        "state of the art itself is not testable here",
    ),
    PaperClaim(
        PAPER,
        "alpha > 0 makes training resist a poisoned share of the training set",
        "[P]",
        "holistic",
        ("alpha_resists_poison",),
        "wrong labels only",
    ),
    PaperClaim(
        PAPER,
        "HR weights delay catastrophic overfitting",
        "[H], not of the paper",
        "holistic",
        ("delays_plain", "delays_permuted", "delays_norm_matched"),
        "",
    ),
    PaperClaim(
        PAPER,
        "results on CIFAR-10",
        "[P]; numbers [NF]",
        "",
        (),
        "the paper's numbers could not be read, and its networks were not trained here",
    ),
)
