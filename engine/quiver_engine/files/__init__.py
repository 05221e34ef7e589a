"""Formats on disk, and what makes them survive a crash."""
