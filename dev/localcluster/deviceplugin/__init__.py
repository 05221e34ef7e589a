"""A device plugin that offers pretend GPUs to a kubelet."""
