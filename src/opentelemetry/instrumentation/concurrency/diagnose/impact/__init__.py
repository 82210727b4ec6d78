"""What a leak costs, what holds it, and what ends it."""
