"""Why a book has nothing to choose from."""

from pairity.books.features import MIN_BARS, NameFeatures
from pairity.books.readiness import explain_no_universe


def known(bars=MIN_BARS, notional=1e6, volatility=0.01):
    return NameFeatures(bars=bars, notional=notional, volatility=volatility)


def test_nothing_is_said_of_six_names_that_are_known():
    names = [f"N{number}" for number in range(6)]
    assert explain_no_universe(dict.fromkeys(names, known()), names) is None


def test_each_name_says_what_it_lacks_and_for_how_long():
    features = {
        "BTC": known(),
        "ETH": known(bars=2_159),
        "SOL": known(bars=400),
        "XRP": known(notional=None),
        "ADA": known(volatility=None),
    }
    said = explain_no_universe(features, [*features, "NEW"])
    assert said.startswith("nothing to choose from: 1 of 6 names known well enough, 6 are needed (")
    for words in (
        "ADA has no volatility of the last 720 hours",
        "ETH has 2,159 of 2,160 hourly bars, 1 hour to go",
        "NEW has no features of this close in time",
        "SOL has 400 of 2,160 hourly bars, 1,760 hours to go",
        "XRP has no volume of the last 720 hours",
    ):
        assert words in said


def test_many_names_are_counted():
    names = [f"N{number:02}" for number in range(40)]
    said = explain_no_universe({name: known(bars=5) for name in names}, names)
    assert "; 34 more)" in said
    assert len(said) < 600
