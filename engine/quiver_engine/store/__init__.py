"""Live collections, and the background work that indexes, merges and compacts them."""
