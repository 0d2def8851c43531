"""One script for each version of the journal's tables; a script that was released is never changed."""
