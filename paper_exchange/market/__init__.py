"""What is traded: instruments, bars and funding of synthetic and recorded markets."""
