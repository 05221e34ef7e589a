"""What every driver over gRPC needs: connections, deadlines, TLS, and the transport's errors."""

import os

# gRPC's core writes what servers say straight to stderr, line breaks and all. It reads the variable
# once, when it is imported: every module of this package comes after this line. Set another level
# to look for a fault of gRPC.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
