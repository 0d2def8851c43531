"""`python -m paper_exchange`: the paper exchange without the rest of pairity's command line."""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal
from pathlib import Path

from pairity.errors import PairityError
from pairity.names import ASSET, split_names
from pairity.printable import printable
from pairity.process_guard import guard_process
from paper_exchange.run import MARKETS, parse_fee_currency, run


def main() -> int:
    """Parse the arguments and serve; return 0, or the exit code of a PairityError."""
    parser = argparse.ArgumentParser(prog="paper-exchange", description="An OKX-v5-compatible exchange on localhost.")
    parser.add_argument("--market", choices=MARKETS, default="synthetic")
    parser.add_argument("--data", type=Path, help="folder of recorded Parquet files")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free port")
    parser.add_argument("--start", help="where the clock begins (ISO time)")
    parser.add_argument("--clock", default="real", help="real, stepped, or a speed such as x60")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--control", action="store_true", help="serve the clock and fault endpoints under /control")
    parser.add_argument("--no-rate-limits", dest="rate_limits", action="store_false")
    parser.add_argument("--balance", dest="balance_usdt", type=Decimal, default=Decimal(10_000), help="USDT")
    parser.add_argument("--faults", dest="script", type=Path, help="file of faults and events (TOML or JSON)")
    parser.add_argument("--unkind", action="store_true", help="be as OKX is: finite depth, slipping stops, late lists")
    parser.add_argument("--from", dest="source", help="address of the OKX v5 API that a mirror follows")
    parser.add_argument("--follow", dest="followed", help="assets of a mirror, with commas (default: the universe's)")
    parser.add_argument("--history", dest="history_days", type=int, help="days of history before the start")
    parser.add_argument("--fee-currency", help="charge fees in another currency: CCY=PRICE in USDT")
    try:
        given = vars(parser.parse_args())
        if given["followed"] is None:
            del given["followed"]
        else:
            given["followed"] = split_names(given["followed"], ASSET, "--follow")
        if given["fee_currency"] is not None:
            given["fee_currency"] = parse_fee_currency(given["fee_currency"])
        run(**given)
    except PairityError as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    guard_process()
    sys.exit(main())
