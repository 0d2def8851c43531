"""`pairity doctor`: what is wrong with this installation, how sure that is, and the command that mends it."""
