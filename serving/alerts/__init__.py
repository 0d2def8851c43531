"""Events that a person should know of, and their delivery as alerts."""
