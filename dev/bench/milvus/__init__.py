"""Quiver's operator with Milvus 2.3.5 as the engine, beside a bare loop."""
