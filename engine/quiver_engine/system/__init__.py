"""The process and its machine: memory, priority, log."""
