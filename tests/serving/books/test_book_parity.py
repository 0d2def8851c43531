"""What a book decided on, read online, against the offline store; and each kind of fault named."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import timedelta

import polars as pl
from click.testing import CliRunner
from sqlalchemy import Engine, event

from feature_repo.catalog import ASSET_BOOKS, BOOK_FEATURES, CREATED_TIME, EVENT_TIME, MARKET_STATE, PAIR_BOOK_FEATURES
from feature_repo.feature_store import apply_definitions, open_store
from feature_repo.offline_files import publish
from pairity.layout import Layout
from pairity.timeline import HOUR
from pairity_cli.main import main
from serving.books.lineage import recompute_weight
from serving.explanation import read_book, read_decision_at
from serving.journal import Purpose
from serving.order_chain import walk_chain
from serving.parity import check_parity
from serving.parity_causes import Cause
from serving.replay.published_data import PublishedData
from tests.serving.books.book_scene import DAY, FIRST, MARKET, backtest, book_scene, make_features

DAILY = {"port": 0, "lease": False, "interval_minutes": 1440}
NAME, FEATURE = "N02", "return_14d"


def change_reads(monkeypatch, change):
    """Let the online store answer for the features of names with `change` of its rows."""
    honest = PublishedData.read_online

    def read_online(self, service, entities, *, at):
        rows = honest(self, service, entities, at=at)
        return change(self, rows, at) if service == BOOK_FEATURES.name else rows

    monkeypatch.setattr(PublishedData, "read_online", read_online)


def at_name(value):
    return pl.when(pl.col("asset") == NAME).then(value).otherwise(FEATURE).alias(FEATURE)


@contextmanager
def traded(tmp_path, days, **options):
    with book_scene(tmp_path / "home", **{"serve": DAILY, **options}) as scene:
        scene.trade(days)
        apply_definitions(scene.settings, open_store(scene.settings))
        yield scene


def test_what_was_decided_on_is_what_the_offline_store_says_and_leads_to_the_same_weights(tmp_path, monkeypatch):
    with traded(tmp_path, 2) as scene:
        report = check_parity(scene.settings)
        assert report.mismatches == ()
        names = len(MARKET["close"])
        values = names * (len(BOOK_FEATURES.features) + len(MARKET_STATE.features))
        assert (report.decisions, report.rows, report.values) == (2, 2 * 2 * names, 2 * values)
        journal = scene.read()
        try:
            for book in journal.books.all():
                vectors = journal.vectors(book.decision_id)
                decision = journal.decision(book.decision_id)
                weights = [recompute_weight(scene.settings, decision, book, one.name, vectors) for one in book.names]
                assert weights
                assert all(one.is_same for one in weights)
            order = next(one for one in journal.books.orders() if one.purpose is Purpose.INCREASE)
        finally:
            journal.close()
        monkeypatch.setenv("PAIRITY_HOME", str(scene.settings.home))
        monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(list(MARKET["close"])))
        shown = CliRunner().invoke(main, ["why", order.client_order_id])
        assert shown.exit_code == 0, shown.output
        name = order.instrument.partition("-")[0]
        assert f"Features of {name} (book_features_v1), event time 2025-04-02" in shown.output
        assert "the same float" in shown.output
        assert "known here since 2025-04-02 00:00:00 UTC" in shown.output
        chain = json.loads(CliRunner().invoke(main, ["trace", order.client_order_id, "--chain", "--no-lake"]).stdout)
        assert chain["score"]["kind"] == "weight"
        assert chain["score"]["same_from_journal"] is True
        assert {row["service"] for row in chain["features"]} == {BOOK_FEATURES.name, MARKET_STATE.name}


def test_a_book_of_pairs_reads_their_z_scores_online(tmp_path):
    strategy = {"book": "pair_continuation"}
    everything = {"assets": tuple(MARKET["close"])}
    thrice = {**DAILY, "interval_minutes": 480}
    with traded(tmp_path, 1, strategy=strategy, universe=everything, serve=thrice) as scene:
        report = check_parity(scene.settings)
        assert report.mismatches == ()
        compared = {one.feature: one.compared for one in report.features if one.service == PAIR_BOOK_FEATURES.name}
        assert compared["z_720h"] == len(MARKET["close"]) * (len(MARKET["close"]) - 1) // 2
        journal = scene.read()
        try:
            book = journal.books.newest()
            assert book.pairs
            vectors, decision = journal.vectors(book.decision_id), journal.decision(book.decision_id)
        finally:
            journal.close()
        for one in book.names:
            assert recompute_weight(scene.settings, decision, book, one.name, vectors).is_same


def only(report, cause):
    assert {(one.entity, one.service, one.cause) for one in report.mismatches} == {(NAME, BOOK_FEATURES.name, cause)}
    return {one.feature for one in report.mismatches}


def test_a_changed_transform_and_a_cast_are_named(tmp_path, monkeypatch):
    change_reads(monkeypatch, lambda _self, rows, _at: rows.with_columns(at_name(pl.col(FEATURE) * 1.01)))
    with traded(tmp_path / "changed", 1) as scene:
        assert only(check_parity(scene.settings), Cause.OTHER) == {FEATURE}


def test_a_cast_to_32_bits_is_named(tmp_path, monkeypatch):
    def cast(_self, rows, _at):
        return rows.with_columns(at_name(pl.col(FEATURE).cast(pl.Float32).cast(pl.Float64)))

    change_reads(monkeypatch, cast)
    with traded(tmp_path, 1) as scene:
        assert only(check_parity(scene.settings), Cause.FLOAT32) == {FEATURE}


def test_a_row_that_was_not_replaced_is_named_and_its_name_counts_as_not_known(tmp_path, monkeypatch):
    def keep(self, rows, at):
        older = self._views["asset_books"].read(at - HOUR, self._ttl).filter(pl.col("asset") == NAME)
        return pl.concat([rows.filter(pl.col("asset") != NAME), older.select(rows.columns)])

    change_reads(monkeypatch, keep)
    with traded(tmp_path, 1) as scene:
        assert FEATURE in only(check_parity(scene.settings), Cause.STALE)
        journal = scene.read()
        try:
            found = journal.books.newest().find(NAME)
            assert (found.cause, found.why) == ("nothing is known of it", "stale: features are 1 h old")
            assert found.contracts == found.wanted == 0
        finally:
            journal.close()


def test_a_correction_that_the_online_store_never_got_is_named(tmp_path):
    with traded(tmp_path, 1) as scene:
        own = make_features()[ASSET_BOOKS.name].filter(asset=NAME).filter(pl.col(EVENT_TIME) == FIRST)
        known = FIRST + timedelta(seconds=20)
        publish(
            Layout.of(scene.settings),
            ASSET_BOOKS,
            own.with_columns(pl.lit(known).alias(CREATED_TIME), pl.lit(0.5).alias(FEATURE)).cast(dict(own.schema)),
        )
        assert only(check_parity(scene.settings), Cause.LOST_CORRECTION) == {FEATURE}


def test_a_decision_that_is_made_up_for_is_the_one_of_its_hour_and_parity_knows_it(tmp_path):
    hourly = {"port": 0, "lease": False, "interval_minutes": 60}
    with book_scene(tmp_path / "home", serve=hourly) as scene:
        scene.trade(1)
        scene.advance(FIRST + DAY + 1.5 * HOUR)
        scene.trade(1)
        journal = scene.read()
        try:
            record, book = journal.last_decision(), journal.books.newest()
            late = record.decision_time - book.close
        finally:
            journal.close()
        assert (book.close, late >= HOUR) == (FIRST + DAY, True)
        run = backtest(FIRST + DAY)
        wanted = {one.name: one.wanted for one in run.decisions[1].names if one.wanted}
        assert {one.name: one.contracts for one in book.names if one.contracts}.keys() == wanted.keys()
        assert [one.wanted for one in book.names if one.wanted] == [
            weight for _, weight in sorted(run.decisions[1].target.weights.items()) if weight
        ]
        apply_definitions(scene.settings, open_store(scene.settings))
        report = check_parity(scene.settings)
        assert (report.decisions, report.mismatches) == (2, ())


def test_a_chain_is_walked_without_reading_every_page_of_the_journal(tmp_path):
    """A year's journal has hundreds of megabytes: `why` reads what it shows, and nothing else."""
    with traded(tmp_path, 1) as scene:
        journal = scene.read()
        try:
            order = journal.books.orders()[0].client_order_id
        finally:
            journal.close()
        asked = []
        with watched(asked):
            chain = walk_chain(scene.settings, order)
            book = read_book(scene.settings, chain.trace.decision)
            read_decision_at(scene.settings, book.close)
        assert chain.weight.is_same
        assert asked
        assert not [one for one in asked if "check" in one]
        whole = [one for one in asked if "FROM feature_vectors" in one and "WHERE" not in one]
        assert not whole


@contextmanager
def watched(asked):
    """Note every statement that is sent to a database meanwhile."""

    def note(_connection, _cursor, statement, *_):
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)
