"""Paths that the venue has and the paper exchange does not serve (docs/okx-protocol.md, Numbers and types)."""

from __future__ import annotations

from collections.abc import Mapping

from paper_exchange.wire import WireError

_PREFIX = "/api/v5/"
_OTHER_MODES: Mapping[str, str] = {
    "account": "activate-option borrow-repay borrow-repay-history greeks interest-accrued interest-limits "
    "interest-rate max-loan mmp-config mmp-reset position-builder position-builder-graph position-tiers "
    "precheck-set-delta-neutral set-auto-loan set-auto-repay set-riskOffset-amt set-riskOffset-type simulated_margin "
    "spot-borrow-repay-history spot-manual-borrow-repay",
    "trade": "mass-cancel",
}
"""Endpoints of accounts that borrow, hold options or have portfolio margin, by group."""
_NOT_HERE: Mapping[str, str] = {
    "account": "account-level-switch-preset bills-history-archive collateral-assets max-withdrawal set-account-level "
    "set-account-switch-precheck set-auto-earn set-collateral-assets set-fee-type set-greeks set-isolated-mode "
    "set-settle-currency set-trading-config subtypes vip-interest-accrued vip-interest-deducted vip-loan-order-detail "
    "vip-loan-order-list",
    "market": "block-ticker block-tickers block-trades books-lite books-rpi call-auction-details exchange-rate "
    "index-components option/instrument-family-trades platform-24-volume",
    "public": "block-trades delivery-exercise-history discount-rate-interest-free-quota economic-calendar "
    "estimated-price estimated-settlement-info instrument-tick-bands insurance-fund interest-rate-loan-quota "
    "market-data-history opt-summary option-trades settlement-history vip-interest-rate-loan-quota",
    "rubik": "stat/margin/loan-ratio stat/option/open-interest-volume stat/option/open-interest-volume-expiry "
    "stat/option/open-interest-volume-ratio stat/option/open-interest-volume-strike stat/option/taker-block-volume "
    "stat/trading-data/support-coin",
    "trade": "account-rate-limit cancel-advance-algos easy-convert easy-convert-currency-list easy-convert-history "
    "fills-archive one-click-repay one-click-repay-currency-list one-click-repay-currency-list-v2 "
    "one-click-repay-history one-click-repay-history-v2 one-click-repay-v2 order-precheck orders-algo-triggered",
}
"""Endpoints that concern swaps little or not at all, by group."""
_OTHER_PRODUCTS = (
    "account/fixed-loan/",
    "account/subaccount/",
    "affiliate/",
    "asset/",
    "broker/",
    "copytrading/",
    "fiat/",
    "finance/",
    "rfq/",
    "sprd/",
    "support/",
    "tradingBot/",
    "users/",
)
"""Products that are none of swaps: every path below them."""


def refuse_path(path: str) -> WireError:
    """Return the refusal of a path without a handler.

    51010 for what needs another account mode, 50038 for what the venue has and this exchange has not, 50404 (a code of
    its own, HTTP 404) for a path that nobody has.
    """
    name = path.removeprefix(_PREFIX)
    group, _, rest = name.partition("/")
    if rest in _OTHER_MODES.get(group, "").split():
        return WireError("51010", "You can't complete this request under your current account mode.")
    if name.startswith(_OTHER_PRODUCTS) or rest in _NOT_HERE.get(group, "").split():
        return WireError("50038", "This feature is unavailable in demo trading")
    return WireError("50404", f"The paper exchange does not serve {path}", http_status=404)
