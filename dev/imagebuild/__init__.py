"""OCI images of operator and engine, made without a daemon of what is installed here."""
