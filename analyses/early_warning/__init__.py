"""How good the early warning is: many runs with a known truth, and every rule that could have watched them."""
