"""The operator's cache of the cluster's objects, which watches and lists keep current."""
