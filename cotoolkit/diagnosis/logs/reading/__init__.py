"""From anybody's log to the courses of its runs: the file, its columns, its rows."""
