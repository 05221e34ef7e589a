"""What Quiver knows: pure types and decisions, without I/O, clock or randomness."""
