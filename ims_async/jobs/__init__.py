"""Whatever takes longer than one request."""
