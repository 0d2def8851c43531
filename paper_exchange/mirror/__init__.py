"""A market that follows another venue: its requests, the reading of its rows, and what is known of it."""
