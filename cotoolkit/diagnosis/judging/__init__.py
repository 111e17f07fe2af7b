"""From measurements to a verdict: evidence for and against, confidence."""
