"""The templates as one system: read, resolved, in every branch."""
