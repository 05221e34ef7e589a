"""Errors of whatever is set up on this machine."""


class SetupError(Exception):
    """Something cannot be set up or run here; the message says what to do about it."""


class BuildError(SetupError):
    """A program or an image could neither be found nor built."""
