"""A small shop whose search leaks tasks: the service of the demo. It does not use OpenTelemetry."""
