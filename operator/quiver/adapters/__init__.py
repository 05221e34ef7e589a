"""The world outside, behind the ports: the Kubernetes API, engines, the clock, HTTP."""
