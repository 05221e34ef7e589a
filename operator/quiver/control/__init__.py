"""The control loop around the reconcilers: cache, triggers, queues, workers, resync. No kopf."""
