"""The impact of leaks: their memory, the variables that hold them, and advice."""
