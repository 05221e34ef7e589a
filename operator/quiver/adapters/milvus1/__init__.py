"""Engines that speak the Milvus 1.x protocol: Quiver's own, and the official 1.1 images."""
