"""One operator acts at a time: the Lease, and what rests on it."""
