"""From measurements to a verdict: thresholds, evidence for and against, confidence."""
