"""The protocol's bytes: requests decoded, answers encoded."""
