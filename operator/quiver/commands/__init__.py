"""What people run on their own machines: `quiver size` and the like. It needs the extra `cli`."""
