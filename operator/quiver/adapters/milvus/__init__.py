"""Engines that speak the protocol of Milvus 2.2 to 3.x."""
