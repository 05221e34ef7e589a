"""Quiver: a Kubernetes operator for vector collections."""

__version__ = "0.1.0"
