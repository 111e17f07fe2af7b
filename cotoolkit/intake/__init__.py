"""What people bring: models, weights, images and labels, checked and brought to one form."""
