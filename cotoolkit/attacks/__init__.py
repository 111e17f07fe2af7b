"""Attacks inside a threat model: gradient steps, margin losses, and the square attack, which needs no gradient."""
