"""The proof that a task can never be woken, by reference accounting."""
