"""The engine: trains one configured run, resumes it, and keeps what happened."""
