"""What the reconcilers need from outside, as protocols.

`quiver.adapters` and `quiver.control` implement them.
"""
