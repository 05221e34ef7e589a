"""The protocol's calls: each reads a request, asks the store and returns an answer."""
