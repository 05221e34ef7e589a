"""The protocol's calls, one function each: from a request to what the store is asked."""
