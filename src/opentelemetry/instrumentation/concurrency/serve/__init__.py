"""The debug pages, over HTTP and as applications to mount."""
