"""The challenger sees what the champion sees, is written down, and changes nothing, however broken it is."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

import serving.models.shadow
from feature_repo.catalog import MARKET_STATE, PAIR_FOREST_FEATURES
from model_registry import registry
from model_registry.forest_schema import TRUSTED_TYPES
from model_registry.loading import verified_directory
from model_registry.records import ModelRef
from model_registry.registry import find_alias, find_champion, find_version
from pairity.errors import LiveSwitchError, NoChampionError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import Leg, PairPosition, Side
from pairity.universe import Pair
from serving.decision import DecisionInputs, make_decision
from serving.journal.journal import Journal
from serving.journal.records import DecisionRecord, ShadowRecord, decision_id
from serving.models.champion import Champion
from serving.models.scoring import load_scorer
from serving.models.shadow import Shadow, find_best_candidate
from serving.risk import Mode
from serving.status import Status
from tests.model_registry import family_models
from tests.serving.registered_models import history, promote, register, seen_at, settings_in
from tests.serving.trading import RUN


@dataclass
class Process:
    """A trading process without a venue: champion, shadow, journal."""

    settings: Settings
    journal: Journal
    champion: Champion
    status: Status
    said: list[str]

    def decide(self, seen: DecisionInputs) -> DecisionRecord:
        ref = self.champion.ref
        record = DecisionRecord(
            decision_id=decision_id("test", seen.event_timestamp),
            run_id=RUN.run_id,
            decision_time=seen.market.decision_time,
            event_timestamp=seen.event_timestamp,
            feature_service=ref.service.name,
            model_name=ref.name,
            model_version=ref.version,
            model_sha256=ref.sha256,
            decision=make_decision(self.champion.scorer, seen, self.settings),
        )
        self.journal.record_decision(record, [])
        return record

    def follow(self, record: DecisionRecord, seen: DecisionInputs) -> list[str]:
        return self.shadow.follow(record, seen, self.champion.ref)

    def __post_init__(self) -> None:
        self.shadow = Shadow(self.settings, self.journal, self.status, self.said.append)

    def cycle(self, hour: int) -> tuple[DecisionRecord, list[str]]:
        problems = self.champion.follow()
        seen = seen_at(self.settings, hour)
        record = self.decide(seen)
        return record, problems + self.follow(record, seen)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def settings(home: Path, request: pytest.FixtureRequest) -> Settings:
    """One database, and in it a model per test."""
    name = "".join(sign if sign.isalnum() else "_" for sign in request.node.name)[:100]
    return settings_in(home, name)


@pytest.fixture
def process(settings: Settings, tmp_path: Path) -> Iterator[Process]:
    promote(settings, register(settings, seed=1))
    journal = Journal.open(tmp_path / "journal.db", scope="test")
    journal.record_run(RUN)
    yield Process(settings, journal, Champion(settings, Mode.DEMO), Status("demo", "here", {}), [])
    journal.close()


def bits(probabilities: dict[str, float | None]) -> dict[str, bytes | None]:
    return {name: None if value is None else struct.pack(">d", value) for name, value in probabilities.items()}


def by_hand(settings: Settings, model: ModelRef, seen: DecisionInputs) -> dict[str, bytes | None]:
    """The probabilities of a version, from its files and a plain table: no code of the trading process."""
    import skops.io

    estimator = skops.io.load(model_file(settings, model.version), trusted=list(TRUSTED_TYPES))
    frame = pd.DataFrame(seen.pair_rows.to_dicts())
    for feature in PAIR_FOREST_FEATURES.features:
        if feature not in ("base_asset", "quote_asset"):
            frame[feature] = frame[feature].astype(float)
    matrix = frame[list(PAIR_FOREST_FEATURES.features)]
    return bits(dict(zip(frame["pair_id"], map(float, estimator.predict_proba(matrix)[:, 1]), strict=True)))


def test_a_shadow_is_the_challenger_s_own_word_bit_for_bit(process: Process) -> None:
    challenger = register(process.settings, seed=2)
    decided = {}
    for hour in (3, 20, 40):
        record, problems = process.cycle(hour)
        assert problems == []
        decided[record.decision_id] = (record, seen_at(process.settings, hour))
    shadows = process.journal.models.shadows()
    assert [shadow.model_version for shadow in shadows] == [challenger.version] * 3
    promote(process.settings, challenger)
    as_champion = load_scorer(process.settings, find_champion(process.settings))
    assert as_champion.ref.version == challenger.version
    for shadow in shadows:
        record, seen = decided[shadow.decision_id]
        alone = make_decision(as_champion, seen, process.settings)
        assert bits(shadow.probabilities) == bits({s.pair.pair_id: s.probability for s in alone.scores})
        assert bits(shadow.probabilities) == by_hand(process.settings, as_champion.ref, seen)
        assert shadow.choice == find_best_candidate(alone)
        champion = bits({s.pair.pair_id: s.probability for s in record.decision.scores})
        assert champion != bits(shadow.probabilities)  # else this test proves nothing
    assert {name for shadow in shadows for name in shadow.probabilities} == {"BTC__ETH", "BTC__SOL", "ETH__SOL"}


def test_the_champion_decides_the_same_with_and_without_a_shadow(process: Process) -> None:
    alone = make_decision(process.champion.scorer, seen_at(process.settings, 9), process.settings)
    register(process.settings, seed=2)
    record, _ = process.cycle(9)
    assert record.decision == alone
    assert process.journal.last_decision() == record
    process.follow(record, seen_at(process.settings, 9))
    assert process.journal.last_decision() == record
    assert len(process.journal.models.shadows()) == 1


def test_without_a_challenger_nothing_is_said(process: Process) -> None:
    _, problems = process.cycle(5)
    assert (problems, process.said, process.journal.models.shadows()) == ([], [], [])
    assert process.status.challenger is None


def model_file(settings: Settings, version: str) -> Path:
    return verified_directory(Layout.of(settings), find_version(settings, version)) / "model.skops"


def test_a_changed_file_of_the_challenger_stops_nothing(process: Process) -> None:
    challenger = register(process.settings, seed=2)
    file = model_file(process.settings, challenger.version)
    good = file.read_bytes()
    file.write_bytes(good[:-1] + b"\xff")
    record, problems = process.cycle(5)
    assert len(problems) == 1
    assert "challenger version 2 was not scored" in problems[0]
    assert "is not the one that was registered" in problems[0]
    assert process.journal.last_decision() == record
    (shadow,) = process.journal.models.shadows()
    assert shadow.failure is not None
    assert "is not the one that was registered" in shadow.failure
    assert (shadow.probabilities, shadow.choice) == ({}, None)
    file.write_bytes(good)
    assert process.cycle(6)[1] == []
    assert process.status.challenger is not None
    assert process.status.challenger["state"] == "scored"


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"feature_service": MARKET_STATE.name}, f"needs the features {MARKET_STATE.name}"),
        ({"universe": "BTC,ETH"}, "made for the assets BTC,ETH, not for BTC,ETH,SOL"),
        ({"feature_service": "forgotten_v0"}, "forgotten_v0"),
    ],
)
def test_a_challenger_that_does_not_fit_says_why_not(process: Process, tags: dict[str, str], words: str) -> None:
    register(process.settings, seed=2, **tags)
    record, problems = process.cycle(5)
    assert len(problems) == 1
    assert words in problems[0]
    assert process.journal.last_decision() == record


class Bursting:
    """An estimator that raises what no one expects."""

    classes_ = (0, 1)

    def predict_proba(self, matrix: pd.DataFrame) -> None:
        raise ZeroDivisionError("inside the model")


def test_an_exception_inside_the_challenger_stops_nothing(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    challenger = register(process.settings, seed=2)
    real = serving.models.shadow.load_scorer
    monkeypatch.setattr("serving.models.shadow.load_scorer", lambda *given: replace(real(*given), estimator=Bursting()))
    record, problems = process.cycle(5)
    assert problems == ["challenger version 2 was not scored: ZeroDivisionError: inside the model"]
    assert process.journal.last_decision() == record
    (shadow,) = process.journal.models.shadows()
    assert shadow.model_version == challenger.version
    assert shadow.failure == "not scored: ZeroDivisionError: inside the model"


def test_a_shadow_that_cannot_be_journalled_stops_nothing(process: Process) -> None:
    register(process.settings, seed=2)
    with process.journal._database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE shadows")
    record, problems = process.cycle(5)
    assert process.journal.last_decision() == record
    assert len(problems) == 1
    assert "the challenger was not scored" in problems[0]


def test_a_new_challenger_is_picked_up_between_decisions(process: Process) -> None:
    for hour, seed in ((3, 2), (4, 3)):
        register(process.settings, seed=seed)
        assert process.cycle(hour)[1] == []
    assert [shadow.model_version for shadow in process.journal.models.shadows()] == ["2", "3"]
    assert process.said == [f"challenger version {version} is scored in shadow" for version in (2, 3)]


def test_a_promotion_and_a_rollback_count_from_the_next_decision(process: Process) -> None:
    second = register(process.settings, seed=2)
    versions = [process.cycle(3)[0].model_version]
    promote(process.settings, second)
    record, problems = process.cycle(4)
    assert problems == []
    assert bits({s.pair.pair_id: s.probability for s in record.decision.scores}) == by_hand(
        process.settings, process.champion.ref, seen_at(process.settings, 4)
    )
    versions.append(record.model_version)
    registry.rollback(process.settings, "a test", record.decision_time)
    versions.append(process.cycle(5)[0].model_version)
    assert versions == ["1", "2", "1"]
    assert len(process.journal.models.shadows()) == 1  # whoever was champion once is no challenger any more


def test_positions_go_on_under_a_new_champion(process: Process) -> None:
    register(process.settings, seed=2)
    leg = Leg(asset="BTC", side=Side.SELL, contracts=Decimal(1), entry_price=100.0, stop_price=106.0, target_price=95.0)
    seen = seen_at(process.settings, 3)
    held = PairPosition(
        position_id="p1",
        pair=Pair("BTC", "ETH"),
        direction=-1,
        legs=(leg,),
        opened_at=seen.event_timestamp - timedelta(hours=2),
        entry_z=1.5,
        entry_score=1.0,
        last_z=1.4,
    )
    process.journal.save_position(held)
    process.decide(replace(seen, state=process.journal.restore_state(100.0)))
    promote(process.settings, find_version(process.settings, "2"))
    assert process.champion.follow() == []
    record = process.decide(replace(seen_at(process.settings, 4), state=process.journal.restore_state(100.0)))
    assert record.model_version == "2"
    (position,) = process.journal.restore_state(100.0).positions
    assert (position.position_id, position.bars_held) == ("p1", 2)


def test_a_new_champion_that_cannot_be_loaded_opens_nothing_and_ends_nothing(process: Process) -> None:
    second = register(process.settings, seed=2)
    file = model_file(process.settings, second.version)
    promote(process.settings, second)
    good = file.read_bytes()
    file.write_bytes(good[:-1] + b"\xff")
    (problem,) = process.champion.follow()
    assert "champion version 2 cannot be used" in problem
    assert "version 1 watches what is held, nothing is opened" in problem
    seen = seen_at(process.settings, 4, suspended=process.champion.suspended)
    decision = make_decision(process.champion.scorer, seen, process.settings)
    assert decision.entries == ()
    assert {score.rejected for score in decision.scores} == {process.champion.suspended}
    file.write_bytes(good)
    assert process.champion.follow() == []
    assert (process.champion.ref.version, process.champion.suspended) == ("2", None)


def test_a_champion_for_other_assets_is_not_taken_over(process: Process) -> None:
    promote(process.settings, register(process.settings, seed=2, universe="BTC,ETH"))
    (problem,) = process.champion.follow()
    assert "it was made for the assets BTC,ETH, not for BTC,ETH,SOL" in problem
    assert process.champion.ref.version == "1"


def test_a_champion_for_features_that_nobody_declares_opens_nothing_and_ends_nothing(process: Process) -> None:
    promote(process.settings, register(process.settings, seed=2, feature_service="forgotten_v0"))
    (problem,) = process.champion.follow()
    assert "champion version 2 cannot be used: unknown feature service 'forgotten_v0'" in problem
    assert process.champion.ref.version == "1"
    assert process.champion.suspended


def test_an_alias_that_is_gone_opens_nothing(process: Process) -> None:
    changed = process.settings.model_copy(
        update={"serve": process.settings.serve.model_copy(update={"model_alias": "nobody"})}
    )
    process.champion._settings = changed
    (problem,) = process.champion.follow()
    assert "carries the alias 'nobody'" in problem
    assert process.champion.suspended


def test_an_unreadable_registry_changes_nothing(process: Process) -> None:
    database = process.settings.root / "mlflow" / "mlflow.db"
    moved = database.rename(database.with_suffix(".away"))
    database.mkdir()
    try:
        problems = process.champion.follow()
    finally:
        database.rmdir()
        moved.rename(database)
    assert len(problems) == 1
    assert problems[0].startswith("version 1 goes on: the tracking store ")
    assert (process.champion.ref.version, process.champion.suspended) == ("1", None)
    assert process.champion.follow() == []


def test_real_money_does_not_follow_a_champion_that_did_not_pass(process: Process) -> None:
    with pytest.raises(LiveSwitchError):
        Champion(process.settings, Mode.LIVE)
    process.champion._mode = Mode.LIVE  # as if the first had passed
    promote(process.settings, register(process.settings, seed=2))
    (problem,) = process.champion.follow()
    assert "may not trade real money" in problem
    assert process.champion.ref.version == "1"
    assert process.champion.suspended


def test_nobody_is_found_where_no_alias_is(settings: Settings) -> None:
    with pytest.raises(NoChampionError):
        find_alias(settings, "challenger")
    promote(settings, register(settings, seed=1))
    with pytest.raises(NoChampionError):
        find_alias(settings, "challenger")
    assert load_scorer(settings, find_champion(settings)).ref.version == "1"
    assert history(settings).height > 0


def test_a_shadow_comes_back_from_the_journal_as_it_was(process: Process) -> None:
    record, _ = process.cycle(3)
    wanted = ShadowRecord(
        decision_id=record.decision_id,
        decision_time=record.decision_time,
        model_name="m",
        model_version="9",
        model_sha256="f" * 64,
        probabilities={"BTC__ETH": 0.1 + 0.2, "BTC__SOL": None},
        choice="BTC__ETH",
    )
    process.journal.models.record_shadow(wanted)
    process.journal.models.record_shadow(replace(wanted, choice=None))
    assert process.journal.models.shadows() == [wanted]


@pytest.mark.parametrize(
    "family",
    [
        "pair_boosting",
        "pair_forest_calibrated",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("pair_logistic", "always_revert")),
    ],
)
def test_a_challenger_of_another_family_is_scored_beside_a_forest(
    process: Process, home: Path, settings: Settings, family: str
) -> None:
    challenger = family_models.register(family_models.settings_of(home, family, settings.model.name))
    record, problems = process.cycle(20)
    assert problems == []
    (shadow,) = process.journal.models.shadows()
    assert (shadow.model_version, shadow.failure) == (challenger.version, None)
    said = {score.pair.pair_id for score in record.decision.scores if score.probability is not None}
    assert {pair_id for pair_id, value in shadow.probabilities.items() if value is not None} == said != set()
