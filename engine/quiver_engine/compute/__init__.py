"""Searches over segments, on CPUs and GPUs."""
