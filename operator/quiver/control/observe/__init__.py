"""What users and monitoring see of the operator: metrics, logs, events, readiness."""
