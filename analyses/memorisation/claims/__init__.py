"""What the study of memorisation claims: of images and methods, and of training that overfits catastrophically."""

from analyses.memorisation.claims.breaking_claims import BREAKING_ROWS
from analyses.memorisation.claims.image_claims import CLAIMS, ROWS
from analyses.memorisation.claims.judge import judge_memorisation, of_setting

__all__ = ["BREAKING_ROWS", "CLAIMS", "ROWS", "judge_memorisation", "of_setting"]
