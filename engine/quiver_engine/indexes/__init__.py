"""FAISS indexes of each type. Pure: no files, no clients."""
