"""FAISS indexes, and the table of their types (kinds.py). Pure: no files, no clients."""
