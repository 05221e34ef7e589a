"""The reconcile of a VectorCollection."""
