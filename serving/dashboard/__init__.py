"""The page of the trading process: static files, and the routes that serve them."""
