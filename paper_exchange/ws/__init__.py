"""WebSocket of the exchange: connections, their subscriptions, and what is pushed to them."""
