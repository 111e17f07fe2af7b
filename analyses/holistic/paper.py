"""What the paper on Holistic Robust training claims, and which claims of ours test it (`analyses.papers.table`)."""

from __future__ import annotations

from analyses.papers import PaperClaim

PAPER = "Holistic Robust (2303.02251)"

PAPER_CLAIMS = (
    PaperClaim(
        PAPER,
        "adversarial training overfits strongly although standard training barely does",
        "[P]",
        "holistic",
        ("at_overfits_more",),
        "loss gaps; on a scale free of the losses see at_overfits_more_in_radius",
    ),
    PaperClaim(
        PAPER,
        "robustness to statistical error (r > 0) protects against robust overfitting",
        "[P]",
        "holistic",
        ("hr_smaller_gap", "hr_more_robust"),
        "a small gap alone can come from a worse fit; few epochs, small networks",
    ),
    PaperClaim(
        PAPER,
        "the HR loss on the training data bounds the loss on test data",
        "[P]; O(1) and assumptions [NF]",
        "holistic",
        ("nominal_bound",),
        "needs W: the released code takes the batch's largest loss, see seen_bound_fails",
    ),
    PaperClaim(
        PAPER,
        "HR training tolerates a share alpha of poisoned training points",
        "[P]",
        "holistic",
        ("alpha_resists_poison",),
        "wrong labels only; HR weighs suspects up, see alpha_weighs_poison_up and trimming_resists_better",
    ),
    PaperClaim(
        PAPER,
        "state-of-the-art robust accuracy on MNIST and CIFAR-10",
        "[P]; numbers [NF]",
        "",
        (),
        "no number of the paper could be read",
    ),
    PaperClaim(
        PAPER,
        "negligible overhead",
        "[P]",
        "",
        (),
        "tests/benchmarks/worst_case_bench.py measures the weights' time against an FGSM step",
    ),
    PaperClaim(
        PAPER,
        "HR weights delay catastrophic overfitting",
        "[H], not of the paper",
        "holistic",
        ("delays_plain", "delays_permuted", "delays_norm_matched"),
        "the setting in which FGSM breaks is induced",
    ),
)
