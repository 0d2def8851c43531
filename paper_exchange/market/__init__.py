"""Markets: instruments, bars and funding, made up or recorded."""
