"""What one parameter may be (docs/okx-protocol.md, What a request must be).

A check raises the venue's refusal, or lets the value pass.

A parameter that is absent ("", null, or no such key) is never checked here: `Rules.required` asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from paper_exchange.market.market import Market
from paper_exchange.params import Params
from paper_exchange.wire import WireError, bad_parameter, unknown_instrument

Check = Callable[[Params, str, Market], None]
_DIGITS = re.compile(r"[0-9]{1,19}")
INSTRUMENT_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS")


@dataclass(frozen=True, slots=True)
class Rules:
    """Parameters of one endpoint: checks by name, and the names that must be there.

    What is not named is unknown to the venue as well, and ignored as it ignores it.
    """

    fields: Mapping[str, Check] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def check(self, params: Params, market: Market) -> None:
        """Refuse what is missing (50014), then what is malformed, in the order of the table."""
        for name in self.required:
            params.required(name)
        for name, check in self.fields.items():
            if name in params:
                check(params, name, market)


def one_of(*choices: str) -> Check:
    """Accept one of `choices`, in exactly this spelling; 51000 otherwise."""

    def check(params: Params, name: str, _: Market) -> None:
        params.choice(name, choices)

    return check


def some_of(*choices: str) -> Check:
    """Accept several of `choices` with commas between them; 51000 otherwise."""

    def check(params: Params, name: str, _: Market) -> None:
        if not set(params.text(name).split(",")) <= set(choices):
            raise bad_parameter(name)

    return check


def matching(pattern: str) -> Check:
    """Accept a text that a pattern fits as a whole; 51000 otherwise."""
    compiled = re.compile(pattern)

    def check(params: Params, name: str, _: Market) -> None:
        if not compiled.fullmatch(params.text(name)):
            raise bad_parameter(name)

    return check


def up_to(most: int) -> Check:
    """Accept at most `most` values with commas between them, none of them empty: 51000, or 50025 for too many."""

    def check(params: Params, name: str, _: Market) -> None:
        count_values(params, name, most)

    return check


def swaps(most: int = 1, *, gone: bool = False) -> Check:
    """Accept ids of swaps that exist, at most `most` with commas: 50025 for more, 51001 for an unknown one.

    `gone` accepts delisted ones as well: their history remains.
    """

    def check(params: Params, name: str, market: Market) -> None:
        for inst_id in count_values(params, name, most):
            instrument = market.instruments.get(inst_id)
            if instrument is None or (instrument.state == "expired" and not gone):
                raise unknown_instrument(inst_id)
            if params.text("instType", "SWAP") != "SWAP":
                raise WireError("51015", f"Instrument ID {inst_id} doesn't match instrument type.")

    return check


def count_values(params: Params, name: str, most: int) -> list[str]:
    """Return the values of a list with commas; 51000 for an empty one, 50025 for more than `most`."""
    values = params.text(name).split(",")
    if "" in values:
        raise bad_parameter(name)
    if len(values) > most:
        raise WireError("50025", f"Parameter {name} count exceeds the limit {most}.")
    return values


def decimal(params: Params, name: str, _: Market) -> None:
    """Accept a plain decimal number: no exponent, no sign but a minus, no grouping."""
    params.number(name)


def positive(params: Params, name: str, _: Market) -> None:
    """Accept a plain decimal number above zero."""
    number = params.number(name)
    if number is not None and number <= 0:
        raise bad_parameter(name)


def digits(params: Params, name: str, _: Market) -> None:
    """Accept an id or an instant in milliseconds: digits alone."""
    if not _DIGITS.fullmatch(params.text(name)):
        raise bad_parameter(name)


def page(params: Params, name: str, _: Market) -> None:
    """Accept the size of a page: a whole number of at least 1; what is above the maximum is cut to it."""
    if not _DIGITS.fullmatch(params.text(name)) or int(params.text(name)) < 1:
        raise bad_parameter(name)


def flag(params: Params, name: str, _: Market) -> None:
    """Accept true and false, as JSON or as text."""
    params.flag(name)


def rows_of(rules: Rules) -> Check:
    """Accept a list of objects, each of which keeps to `rules`."""

    def check(params: Params, name: str, market: Market) -> None:
        for row in params.rows(name):
            rules.check(row, market)

    return check


def not_served(params: Params, name: str, _: Market) -> None:
    """Refuse what the venue would act on and the paper exchange cannot: it must not be ignored in silence."""
    raise bad_parameter(name)


instrument_type = one_of(*INSTRUMENT_TYPES)
client_id = matching(r"[A-Za-z0-9]{1,32}")
tag = matching(r"[A-Za-z0-9]{1,16}")
margin_mode = one_of("cross", "isolated")
position_side = one_of("net", "long", "short")
"""Whether the side fits the account's position mode is for the handler to say."""
family = matching(r"[A-Z0-9]{1,20}-[A-Z]{2,10}")
currencies = matching(r"[A-Za-z0-9]{1,12}(,[A-Za-z0-9]{1,12}){0,19}")
currency = matching(r"[A-Za-z0-9]{1,12}")
