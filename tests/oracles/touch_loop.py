"""The touch label by plain loops."""

from datetime import timedelta


def touch(rows, horizon, z_entry, target):
    """rows: {time: (spread, z)} of one pair → {time: label or None}."""
    labels = {}
    for now, (spread, z) in rows.items():
        ahead = [rows[at][0] for step in range(1, horizon + 1) if (at := now + step * timedelta(hours=1)) in rows]
        end_seen = now + horizon * timedelta(hours=1) in rows
        if z is None or not end_seen or 10 * len(ahead) < 9 * horizon:
            labels[now] = None
        elif z > z_entry:
            labels[now] = int(any(future < spread * (1 - target) for future in ahead))
        elif z < -z_entry:
            labels[now] = int(any(future > spread * (1 + target) for future in ahead))
        else:
            labels[now] = 0
    return labels
