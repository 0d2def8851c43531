"""How it is reached: the OKX v5 REST frame."""
