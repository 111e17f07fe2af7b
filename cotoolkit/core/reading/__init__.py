"""Images and labels of whatever kind people have, item by item or stacked."""
