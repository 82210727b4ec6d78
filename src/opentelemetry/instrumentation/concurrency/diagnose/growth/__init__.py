"""The growth rule: sites that grow or hold too many tasks."""
