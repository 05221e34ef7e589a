"""Leader election by a Lease: one operator writes at a time."""
