"""Who trades: cash, orders, positions, and what the passing of bars does to them."""
