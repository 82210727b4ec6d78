"""Private names of other libraries that several modules read, one module per library.

- A name that a version lacks never raises: the docstring of each accessor states what it returns instead.
- Names that only one module reads, and that are guarded there, stay in that module: `creator.raw_context`, the tables
  of `waiting_functions`, `loop_handles`, `tornado_streams`, `owners`, `jobs`.
- `diagnose.self_test` tries all of them in the running process.
"""
