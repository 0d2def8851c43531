"""What a person asks of the trading process: requests, the queue in which they wait, the routes that take them."""
