"""The tables of endpoints: each path is served once, and none is both public and private."""

from importlib import import_module
from pathlib import Path

from paper_exchange.http import routes
from paper_exchange.http.routes.tables import PRIVATE, PUBLIC

GROUPS = [
    import_module(f"{routes.__name__}.{path.stem}").ROUTES
    for path in sorted(Path(routes.__file__).parent.glob("*.py"))
    if path.stem not in ("__init__", "tables")
]


def test_every_group_is_in_one_table_and_no_route_is_served_twice():
    listed = [route for group in GROUPS for route in group]
    assert len(listed) == len(set(listed))
    assert set(listed) == {*PUBLIC, *PRIVATE}
    assert not set(PUBLIC) & set(PRIVATE)


def test_what_moves_money_or_shows_it_is_private():
    for method, path in PUBLIC:
        assert method == "GET"
        assert path.split("/")[3] in ("market", "public", "rubik", "system")
    for _, path in PRIVATE:
        assert path.split("/")[3] in ("account", "asset", "trade")
