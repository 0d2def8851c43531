"""Views: what the API says, made of the journal, the status and what the process saw. No HTTP in them."""
