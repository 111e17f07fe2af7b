"""What people bring to a diagnosis: models, weights and data, and the checks of them."""
