"""Metrics for `/metrics`, counted where things happen."""
