"""Which files are in an image. It needs nothing but Python: images/Containerfile runs it, too."""
