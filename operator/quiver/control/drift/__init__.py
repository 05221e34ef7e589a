"""What no event tells: differences that periodic rounds find."""
