"""Pure feature maths: LazyFrame in, LazyFrame out; no disk, no network, no clock."""
