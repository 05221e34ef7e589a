"""The Kubernetes API: raw JSON in and out, over `kubernetes.aio`'s connections and logins."""
