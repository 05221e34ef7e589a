"""A cluster with nodes."""

from __future__ import annotations

from localcluster.controlplane import ControlPlane


class Cluster(ControlPlane):
    """Control plane and nodes."""
