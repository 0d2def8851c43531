"""The frame over HTTP: the server, its exchange, and what the routes share."""
