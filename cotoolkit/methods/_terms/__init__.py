"""Terms that several methods are made of: balls, divergences, penalties, features, smoothed labels."""
