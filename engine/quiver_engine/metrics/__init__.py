"""Figures for `/metrics`, kept where things happen."""
