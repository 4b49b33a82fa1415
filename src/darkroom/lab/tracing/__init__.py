"""Finds where a picture comes from: by what its metadata say, by its content, by git's history, at last by its name."""
