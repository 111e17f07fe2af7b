"""What people bring to a diagnosis: models, weights and points, and the checks of them."""
