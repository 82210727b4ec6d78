"""serve: the debug pages over HTTP, and as an application to mount."""
