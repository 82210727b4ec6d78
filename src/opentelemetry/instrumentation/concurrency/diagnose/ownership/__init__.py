"""The orphan rule: owners, creators, and tasks and threads meant to stay."""
