"""What the paper on Benign Adversarial Training claims, and which claims of ours test it (`analyses.papers.table`)."""

from __future__ import annotations

from analyses.papers import PaperClaim

PAPER = "Benign AT (2106.04794)"

PAPER_CLAIMS = (
    PaperClaim(
        PAPER,
        "(a) memorising atypical samples helps clean accuracy on atypical test samples",
        "[P]",
        "memorisation",
        ("a_clean", "a_clean_specific"),
        "linked test images are known on planted data only; elsewhere hard ones stand in",
    ),
    PaperClaim(
        PAPER,
        "(a) but not their adversarial robustness (equivalence within a point)",
        "[P]; margin [R]",
        "memorisation",
        ("a_robust_not_lost", "a_robust_not_gained", "a_robust_has_room"),
        "without room to fall the equivalence says nothing; see a_robust_small for half the radius",
    ),
    PaperClaim(
        PAPER,
        "(b) fitting some atypical samples hurts typical ones",
        "[P]; criterion [U]",
        "memorisation",
        ("b_robust", "b_flags_beat_memorisation", "b_specific"),
        "flags come from another seed's run",
    ),
    PaperClaim(
        PAPER,
        "Benign AT gives a better trade-off of clean and robust accuracy than plain adversarial training",
        "[P]; method reconstructed [U]",
        "memorisation",
        ("c_robust", "c_clean"),
        "BAT-style weights alone; one strength, not a whole curve",
    ),
    PaperClaim(
        PAPER,
        "and it is the detection of harmful samples that does it",
        "[R] control",
        "memorisation",
        ("c_permuted", "c_scaled", "c_opposite"),
        "",
    ),
    PaperClaim(
        PAPER,
        "results on CIFAR-100 and Tiny ImageNet",
        "[P]; numbers [NF]",
        "",
        (),
        "the paper's numbers could not be read, and the data are not here",
    ),
    PaperClaim(
        PAPER,
        "weights delay catastrophic overfitting (H+)",
        "[H], not of the paper",
        "memorisation",
        ("h_plus_delay", "h_plus_permuted", "h_plus_scaled"),
        "",
    ),
    PaperClaim(
        PAPER,
        "the method switches itself off when catastrophic overfitting starts (H-)",
        "[H], not of the paper",
        "memorisation",
        ("h_minus_switch_off", "h_minus_pgd"),
        "",
    ),
)
