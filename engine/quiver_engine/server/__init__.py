"""gRPC and HTTP servers, threads, admission: what a client connects to."""
