"""The loop around the reconcilers: cache, wake-ups, queue, workers, resync. No framework."""
