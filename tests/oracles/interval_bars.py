"""Bars of any interval by a walk over minutes, hours and trades in dictionaries."""


def bars(minutes, hours, trades, every, hour):
    """close → [open, high, low, close, volume]; inputs: open time → (open, high, low, close, volume)."""
    with_minutes = {time - time % hour for time in minutes}
    units = {}
    for time, row in trades.items():
        native = every >= hour and (time - time % hour) in hours and (time - time % hour) not in with_minutes
        if not native:
            units[time] = row
    if every >= hour:
        units |= {time: row for time, row in hours.items() if time not in with_minutes}
    units |= minutes
    made = {}
    for time in sorted(units):
        opened, high, low, close, volume = units[time]
        bar = made.setdefault(time - time % every + every, [opened, high, low, close, 0.0])
        bar[1], bar[2], bar[3], bar[4] = max(bar[1], high), min(bar[2], low), close, bar[4] + volume
    return made
