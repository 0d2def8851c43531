"""The account: cash, orders, positions, and what requests and time do to them."""
