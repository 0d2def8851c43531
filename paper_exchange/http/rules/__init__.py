"""What each endpoint takes: required parameters, formats and choices, refused with the venue's own codes."""
