"""What `quiver plan` reads, asks and prints."""
