"""A storm: users edit while all that Quiver stands on is killed, paused, cut and filled up."""

import os

# Processes are started while gRPC is at work; its handlers for forks have nothing to say to that.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
