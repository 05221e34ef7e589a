"""What a release consists of: built from one commit, checked before, and the same a second time."""
