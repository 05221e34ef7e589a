"""A server that speaks the protocol of Milvus 2.4 to 3.0 and keeps collections in memory."""
