"""What an import finds: the packages beside this one, and a user's script in another process."""
