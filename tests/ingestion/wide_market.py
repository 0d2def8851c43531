"""Markets for live hours: any number of assets with the paths of the synthetic ones, and settlements as wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pairity.universe import inst_id
from paper_exchange.faults.catalogue import Fault, FaultPlan
from paper_exchange.market.market import Bar, Funding, Market, PriceKind


class WideMarket:
    """`names` move as the instruments of `inner`, taken in turn. `settled_at` (ms) replaces its settlements."""

    def __init__(self, inner: Market, names: Sequence[str], settled_at: Sequence[int] | None = None) -> None:
        self._inner, self._settled_at = inner, settled_at
        self.label, self.start_ms, self.end_ms = inner.label, inner.start_ms, inner.end_ms
        models = list(inner.instruments)
        self._model = {inst_id(name): models[place % len(models)] for place, name in enumerate(names)}
        self.instruments = {
            name: replace(inner.instruments[model], inst_id=name) for name, model in self._model.items()
        }

    def bar_ms(self, inst_id: str) -> int:
        return self._inner.bar_ms(self._model[inst_id])

    def bars(self, inst_id: str, since_ms: int, until_ms: int, kind: PriceKind = "last") -> Sequence[Bar]:
        return self._inner.bars(self._model[inst_id], since_ms, until_ms, kind)

    def bar_at(self, inst_id: str, at_ms: int, kind: PriceKind = "last") -> Bar | None:
        return self._inner.bar_at(self._model[inst_id], at_ms, kind)

    def funding(self, inst_id: str, since_ms: int, until_ms: int) -> Sequence[Funding]:
        if self._settled_at is None:
            return self._inner.funding(self._model[inst_id], since_ms, until_ms)
        return [Funding(at, at % 1_000 / 1e6 + 1e-5) for at in self._settled_at if since_ms <= at < until_ms]

    def open_interest(self, inst_id: str, at_ms: int) -> float | None:
        return self._inner.open_interest(self._model[inst_id], at_ms)


class CountingPlan(FaultPlan):
    """A plan of faults that counts the requests by the end of their path."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: Counter[str] = Counter()

    def take_next_strike(self, method: str, path: str) -> Fault | None:
        self.requests[path.removeprefix("/api/v5/")] += 1
        return super().take_next_strike(method, path)
