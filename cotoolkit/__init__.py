"""cotoolkit: the instrument for catastrophic overfitting in single-step adversarial training."""
