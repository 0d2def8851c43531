"""The faults that are planted one at a time: which check finds each, how, and what its command does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pairity.timeline import to_ms
from tests.serving.doctor.patient import Patient
from tests.serving.doctor.planting import (
    break_the_trials,
    change_a_contract,
    change_the_model,
    chmod,
    forget_the_champion,
    halt,
    hold_the_journal,
    lose_an_answer,
    lose_an_hour,
    remove,
    scribble,
    sql,
    take_the_port,
    variable,
    venue,
    withhold_rows,
    write,
)


@dataclass(frozen=True)
class Planted:
    """A fault: how it is planted, which check finds it how, and whether the command that is given mends it."""

    check: str
    severity: str
    what: str
    command: str
    plant: Callable[[Patient], object]
    mends: bool = False
    live: bool = False
    others: frozenset[str] = frozenset()
    """Checks that may find something, too: one cause, several places."""


SOON = str(to_ms(datetime(2026, 1, 5, tzinfo=UTC)))
FAULTS = {
    "the home is open": Planted("home", "warning", "others can enter", "^chmod 700 ", chmod("home", 0o755), mends=True),
    "a misspelt setting": Planted(
        "configuration", "fault", "cannot be used", "correct it", write("pairity.toml", "[serve]\nprot = 1\n")
    ),
    "a broken settings file": Planted(
        "configuration", "fault", "cannot be used", "correct the line", write("pairity.toml", "[serve\n")
    ),
    "a misspelt variable": Planted(
        "configuration", "fault", "cannot be used", "PAIRITY_SERVE__PORT", variable(PAIRITY_SERVE__PROT="1")
    ),
    "a secret in the shared file": Planted(
        "configuration",
        "fault",
        "cannot be used",
        "PAIRITY_EXCHANGE__API_KEY",
        write("pairity.toml", '[exchange]\napi_key="x"\n'),
    ),
    "keys that others can read": Planted(
        "configuration",
        "fault",
        "cannot be used",
        "^chmod 600 ",
        write(".env", "PAIRITY_EXCHANGE__API_KEY=paper\n", 0o644),
        mends=True,
    ),
    "a token to guess": Planted(
        "tokens", "warning", "easy to guess", "token_urlsafe", variable(PAIRITY_SERVE__STATUS_TOKEN="letmein")
    ),
    "real money on paper": Planted(
        "mode",
        "fault",
        "cannot be traded",
        "leave out one",
        lambda _: None,
        live=True,
        others=frozenset({"network", "gate"}),
    ),
    "nobody at the address": Planted(
        "network",
        "fault",
        "nothing answers",
        "start the paper exchange",
        variable(
            PAIRITY_EXCHANGE__URL="http://127.0.0.1:9", PAIRITY_EXCHANGE__CONTROL_URL="http://127.0.0.1:9/control"
        ),
    ),
    "a stranger's address": Planted(
        "network",
        "fault",
        "address cannot be used",
        "use https",
        variable(PAIRITY_EXCHANGE__URL="https://okx.invalid"),
        others=frozenset({"mode"}),
    ),
    "a gateway's page": Planted(
        "network", "fault", "does not answer as it should", "maintenance", venue("html_200", "public/time")
    ),
    "a clock that is refused": Planted(
        "clock", "fault", "refuses this machine's clock", "set-ntp", venue("clock_50102", "account/config")
    ),
    "no passphrase": Planted(
        "credentials", "fault", "missing", r"\.env", variable(PAIRITY_EXCHANGE__API_PASSPHRASE="")
    ),
    "a wrong secret": Planted(
        "credentials", "fault", "secret is wrong", "API_SECRET", variable(PAIRITY_EXCHANGE__API_SECRET="an-older-one")
    ),
    "a key bound elsewhere": Planted(
        "credentials",
        "fault",
        "other addresses",
        "add this machine's address",
        venue(
            "code",
            "account/config",
            code="50110",
            msg="Your IP 10.0.0.7 is not included in the IP whitelist",
            http_status=401,
        ),
    ),
    "a key of the other market": Planted(
        "credentials",
        "fault",
        "other market",
        "create a key",
        venue("code", "account/config", code="50101", msg="APIKey does not match current environment", http_status=401),
    ),
    "a key that reads only": Planted(
        "permissions",
        "fault",
        "read only",
        "create a key",
        venue("field", "account/config", name="perm", value="read_only"),
    ),
    "a key that withdraws": Planted(
        "permissions",
        "warning",
        "withdraw",
        "take the permission",
        venue("field", "account/config", name="perm", value="read_only,trade,withdraw"),
    ),
    "a spot account": Planted(
        "account-mode", "fault", "spot mode", "futures mode", venue("field", "account/config", name="acctLv", value="1")
    ),
    "long and short apart": Planted(
        "account-mode",
        "fault",
        "not in net mode",
        "close all positions",
        venue("field", "account/config", name="posMode", value="long_short_mode"),
    ),
    "another leverage": Planted(
        "leverage", "warning", "held at another leverage", "set the leverage", variable(PAIRITY_STRATEGY__LEVERAGE="3")
    ),
    "isolated margin by hand": Planted(
        "margin-mode",
        "fault",
        "by hand only",
        "automatic transfers",
        lambda patient: [
            plant(patient)
            for plant in (
                venue("field", "account/config", name="ctIsoMode", value="autonomy"),
                variable(PAIRITY_STRATEGY__MARGIN_MODE="isolated"),
            )
        ],
        others=frozenset({"positions"}),
    ),
    "a stop beyond the liquidation price": Planted(
        "margin-mode",
        "warning",
        "liquidated before its stop",
        "lower strategy.leverage",
        variable(PAIRITY_STRATEGY__MARGIN_MODE="isolated", PAIRITY_STRATEGY__LEVERAGE="10"),
        others=frozenset({"positions"}),
    ),
    "a position of the margin mode before": Planted(
        "positions",
        "warning",
        "before strategy.margin_mode changed",
        "pairity close",
        variable(PAIRITY_STRATEGY__MARGIN_MODE="isolated"),
    ),
    "a suspended contract": Planted(
        "contracts",
        "warning",
        "ETH-USDT-SWAP does not trade now",
        "wait, or take ETH out",
        venue("suspend", "*", instId="ETH-USDT-SWAP"),
    ),
    "a delisting": Planted(
        "contracts",
        "warning",
        "about to be delisted",
        "out of universe.assets",
        venue("field", "public/instruments", name="expTime", value=SOON),
    ),
    "a contract of another value": Planted(
        "specifications", "warning", "changed its value", "^pairity ingest$", change_a_contract, mends=True
    ),
    "a journal that others can read": Planted(
        "journal-file", "fault", "others can read", "^chmod 600 ", chmod("home/journal.db", 0o644), mends=True
    ),
    "a damaged journal": Planted("journal-file", "fault", "damaged", "restore it", scribble("journal.db", 8192)),
    "a journal of tomorrow": Planted(
        "journal-file",
        "fault",
        "another version",
        "the program that wrote it",
        sql("journal.db", "UPDATE meta SET value = '99' WHERE key = 'schema_version'"),
    ),
    "a journal that disagrees with itself": Planted(
        "journal-file",
        "fault",
        "disagrees with itself",
        "restore it",
        sql("journal.db", "UPDATE decisions SET run_id = 'gone'"),
    ),
    "a halt": Planted("state", "warning", "halted", "^pairity resume", halt),
    "a lost answer": Planted("orders", "fault", "outcome of 1 order", "^pairity serve", lose_an_answer),
    "a position that differs": Planted(
        "positions",
        "fault",
        "disagree about",
        "^pairity serve",
        sql(
            "journal.db",
            """UPDATE positions SET position_json = replace(position_json, '"contracts":"', '"contracts":"1')
                             WHERE closed_at IS NULL""",
        ),
    ),
    "no key": Planted(
        "key",
        "fault",
        "no signing key",
        "put the key back",
        lambda patient: patient.key.unlink(),
        others=frozenset({"champion"}),
    ),
    "a key that others can read": Planted(
        "key",
        "fault",
        "cannot be used",
        "chmod",
        lambda patient: patient.key.chmod(0o644),
        others=frozenset({"champion"}),
    ),
    "no registry": Planted("registry", "fault", "no model", "^pairity train", remove("mlflow/mlflow.db")),
    "a damaged registry": Planted("registry", "fault", "cannot be read", "MLflow", scribble("mlflow/mlflow.db")),
    "no champion": Planted("champion", "fault", "no champion", "pairity promote", forget_the_champion),
    "a verdict that somebody wrote": Planted(
        "champion",
        "fault",
        "not signed",
        "pairity models 1",
        sql("mlflow/mlflow.db", "UPDATE model_version_tags SET value = 'passed' WHERE key = 'gate'"),
    ),
    "another model's files": Planted(
        "champion", "fault", "not the registered ones", "pairity rollback", change_the_model
    ),
    "other features": Planted(
        "fit",
        "warning",
        "other features",
        "^pairity train",
        variable(PAIRITY_MODEL__FEATURE_SERVICE="cross_section_v1"),
    ),
    "other assets": Planted(
        "fit",
        "warning",
        "other assets",
        "^pairity train",
        variable(PAIRITY_UNIVERSE__ASSETS='["BTC", "ETH", "SOL"]'),
        others=frozenset({"stored-settings"}),
    ),
    "windows of another length": Planted(
        "stored-settings",
        "warning",
        "not those that the data directory was made with",
        "^pairity settings$",
        variable(PAIRITY_FEATURES__Z_WINDOW_BARS="48"),
    ),
    "a lost hour": Planted(
        "features", "warning", "have holes", "^rm -f .*inputs.json && pairity features ", lose_an_hour, mends=True
    ),
    "no online store": Planted(
        "online", "fault", "no online store", "^pairity features$", remove("feast/online.db"), mends=True
    ),
    "a damaged online store": Planted(
        "online", "fault", "cannot be read", "^rm .*pairity features$", scribble("feast/online.db"), mends=True
    ),
    "an online store of yesterday": Planted(
        "online",
        "fault",
        "behind the offline",
        "^pairity features$",
        sql("feast/online.db", "UPDATE pairity_pair_hourly SET event_ts = event_ts - 86400000000"),
        mends=True,
    ),
    "a ledger of trials with a broken line": Planted(
        "trials", "fault", "ledger of trials is damaged", "^restore .*trials.jsonl from a copy", break_the_trials
    ),
    "a port that another program has": Planted(
        "port", "fault", "another program has the port", "PAIRITY_SERVE__PORT", take_the_port
    ),
    "a process without a page": Planted(
        "port", "warning", "shows no status page", r"PAIRITY_SERVE__PORT .* kill \d+", hold_the_journal
    ),
    "rows in quarantine": Planted(
        "quarantine", "warning", "withheld", "^pairity quarantine show \\w+, then", withhold_rows
    ),
}
