"""What every driver over gRPC needs: connections, deadlines, TLS, and the transport's errors."""

import os

# gRPC's core writes text from servers to stderr as it is, line breaks included. It reads the
# variable once, at its import, which follows this line in every module of this package. Set another
# level to debug gRPC.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
