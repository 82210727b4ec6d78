"""Shows snapshots to people and tools: grouped and full text, pprof, folded stacks, JSON, differences. Values only."""
