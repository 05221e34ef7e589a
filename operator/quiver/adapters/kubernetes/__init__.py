"""The Kubernetes API: raw JSON, with the configuration and logins of `kubernetes.aio`."""
