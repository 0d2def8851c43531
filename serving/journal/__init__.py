"""The journal: what was decided, intended, sent, answered and filled."""
