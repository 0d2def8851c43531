"""Questions to one market: asked of the market at hand here, and of one that a worker loads itself in the cluster."""

from datetime import UTC, datetime

from pairity.settings import Settings
from training.books import market_cases
from training.books.market_cases import ask_market

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def name_market(settings, market, *case):
    return settings.profile, market, *case


def ask(settings):
    cases = [("trend_book", 3), ("carry_book", 3)]
    return list(ask_market(settings, "at hand", "book", name_market, cases, now=NOW, until=NOW))


def test_here_the_market_at_hand_is_asked_case_by_case(tmp_path):
    assert ask(Settings(home=tmp_path)) == [
        ("embedded", "at hand", "trend_book", 3),
        ("embedded", "at hand", "carry_book", 3),
    ]


def test_workers_load_the_market_of_the_same_hours_after_its_files_have_come(tmp_path, monkeypatch):
    """Files of an object store come to the job: a worker has no credentials of it."""
    said = []
    monkeypatch.setattr(market_cases, "scan_view", lambda _, view: said.append(view.name))
    monkeypatch.setattr(market_cases, "load_market", lambda _, now, until: ("loaded", now, until))

    def run_here(settings, name, function, cases):
        said.append(name)
        sent = settings.model_copy(update={"profile": "embedded"})
        return [function(sent, *case) for case in cases]

    monkeypatch.setattr(market_cases, "run_cases", run_here)
    clustered = Settings(home=tmp_path).model_copy(update={"profile": "cluster"})
    market = ("loaded", NOW, NOW)
    assert ask(clustered) == [("embedded", market, "trend_book", 3), ("embedded", market, "carry_book", 3)]
    assert said == ["asset_books", "pair_books", "pair_spreads", "book"]
