"""Quiver's vector engine: Milvus 1.x's gRPC protocol on FAISS, one process, one data directory."""
