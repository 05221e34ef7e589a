"""Pure types and decisions, without I/O, clock or randomness."""
