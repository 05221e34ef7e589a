"""The reconcile of a VectorEngine: a StatefulSet's pods, or external endpoints."""
