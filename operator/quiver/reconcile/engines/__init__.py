"""VectorEngine: pods by way of a StatefulSet, or endpoints that others run."""
