"""What keeps a monitor from harming the training that it watches: checks, a rehearsal, and failures that are caught."""
