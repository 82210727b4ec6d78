"""Renders snapshots as grouped and full text, pprof, folded stacks, JSON and differences; works on values only."""
