"""What a venue does by itself, as a script says: faults, states of instruments, changes, delistings, maintenance."""
