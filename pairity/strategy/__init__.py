"""The one decision function, and the rules that it is made of. Pure: no I/O, no clock."""
