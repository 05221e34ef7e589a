"""Periodic rounds, which find differences that no event reports."""
