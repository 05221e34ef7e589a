"""From keys in queues to reconciles, fair between engines, and calls to engines that answer."""
