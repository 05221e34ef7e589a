"""Implementations of the ports, and all other I/O: Kubernetes, engines, DNS, the clock, HTTP."""
