"""The demo: Quiver's whole story, told as commands on a Kubernetes of its own.

`python -m demo` runs it. Each step checks its own outcome, so the demo is the end-to-end test too.
"""
