"""Textual forms of the fields of an answer: what kind of text each of them holds."""

import re

FORMS = (
    ("empty", ""),
    ("flag", "true|false"),
    ("instant in ms", "1[0-9]{12}"),
    ("instant in µs", "1[0-9]{15}"),
    ("number", r"-?[0-9]+(\.[0-9]+)?"),
)


def name_form(value):
    if not isinstance(value, str):
        return type(value).__name__
    return next((name for name, pattern in FORMS if re.fullmatch(pattern, value)), "text")


def collect(value, name="", found=None):
    """{field: {form}} of an answer; a row of numbers counts by place."""
    found = {} if found is None else found
    if isinstance(value, dict):
        for key, item in value.items():
            collect(item, key, found)
    elif isinstance(value, list):
        rows = value and not isinstance(value[0], (dict, list))
        for place, item in enumerate(value):
            collect(item, f"{name}[{place}]" if rows else name, found)
    else:
        found.setdefault(name, set()).add(name_form(value))
    return found


def named(text):
    """The names in a text, separated by spaces."""
    return frozenset(text.split())
