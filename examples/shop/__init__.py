"""A small shop whose search leaks: the service that the demo watches. It knows nothing of telemetry."""
