"""Queues of keys, workers that reconcile them, and circuit breakers for calls to engines."""
