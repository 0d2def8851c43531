"""Oracle of a position's profit: money in and out of its executions and of the settlements that it was held at.

Fractions, one event after the other. No average price, no realised profit: what was paid for contracts, what came back
for them, what was charged. It shares no code with the journal or the exchange.
"""

from fractions import Fraction


def profit_of_position(executions, settlements, values):
    """Return (gross, fees, funding, net) of a flat position with any number of legs.

    `executions`: (instrument, side, contracts, price, fee charged, time). `settlements`: (instrument, time, mark,
    rate). `values`: base units of one contract by instrument. An execution at the very time of a settlement came
    before it.
    """
    gross = fees = funding = Fraction(0)
    left = dict.fromkeys(values, Fraction(0))
    for name, side, contracts, price, fee, _ in executions:
        signed = Fraction(contracts) * (1 if side == "buy" else -1)
        left[name] += signed
        gross -= signed * Fraction(values[name]) * Fraction(price)
        fees -= Fraction(fee)
    assert not any(left.values()), f"not flat: {left}"
    for name, at, mark, rate in settlements:
        held = sum(
            Fraction(contracts) * (1 if side == "buy" else -1)
            for traded, side, contracts, _, _, when in executions
            if traded == name and when <= at
        )
        funding -= held * Fraction(values[name]) * Fraction(mark) * Fraction(rate)
    return gross, fees, funding, gross + fees + funding
