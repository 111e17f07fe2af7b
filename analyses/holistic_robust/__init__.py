"""Holistic Robust (HR) training, examined: robust overfitting, poison, certificates, and catastrophic overfitting."""
