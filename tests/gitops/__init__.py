"""Quiver under Flux. A package, so that its fixtures end with its tests, not with the session."""
