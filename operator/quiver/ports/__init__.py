"""What the reconcilers need of the world, as protocols.

`quiver.adapters` and `quiver.control` implement them.
"""
