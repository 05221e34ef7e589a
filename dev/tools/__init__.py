"""Writes the files that are made from others; each has `--check`."""
