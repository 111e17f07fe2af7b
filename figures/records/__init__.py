"""Made figures on disk: the files of each, whether they are still what their tables say, and the page of them all."""
