"""Paths below the data directory (`PAIRITY_HOME`). Nothing here touches the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pairity.journal_place import JournalDatabase, JournalPlace
from pairity.settings import Settings

TRACKING_SCHEMA = "mlflow"
"""Schema of MLflow's tables where its database is PostgreSQL's."""
_JOURNAL = "journal.db"


@dataclass(frozen=True, slots=True)
class Layout:
    """All paths of one data directory, absolute."""

    root: Path
    tracking_database: str | None = field(default=None, repr=False, compare=False)
    """Address of MLflow's database, password included, where it is elsewhere; None: the file below `mlflow`."""
    journal_database: JournalDatabase | None = field(default=None, repr=False, compare=False)
    """The journal's database where it is elsewhere; None: the file `journal.db`."""

    @classmethod
    def of(cls, settings: Settings) -> Layout:
        """Return the layout below `settings.root`."""
        if settings.profile != "cluster":
            return cls(settings.root)
        schema = settings.cluster.journal_schema
        address = settings.cluster.make_postgres_address
        journal = JournalDatabase(address(schema), schema, settings.root / _JOURNAL)
        return cls(settings.root, address(TRACKING_SCHEMA), journal)

    @property
    def lake(self) -> Path:
        """Raw data: `lake/<dataset>/venue=…/instrument=…/month=YYYY-MM/part.parquet`."""
        return self.root / "lake"

    @property
    def features(self) -> Path:
        """Offline features: `features/<view>/month=YYYY-MM/*.parquet`."""
        return self.root / "features"

    @property
    def contracts(self) -> Path:
        """Contract specifications, as the venue last gave them."""
        return self.root / "reference" / "contracts.parquet"

    @property
    def universes(self) -> Path:
        """Stored universes: `reference/universes/<name>.parquet`."""
        return self.root / "reference" / "universes"

    @property
    def listed_instruments(self) -> Path:
        """Ids of everything that a venue listed when it was asked last, spot and swaps, as JSON."""
        return self.root / "reference" / "instruments.json"

    @property
    def snapshots(self) -> Path:
        """Saved snapshots of lake, features and reference data: `snapshots/<name>/…`."""
        return self.root / "snapshots"

    @property
    def quarantine(self) -> Path:
        """Partitions that failed validation, each with the rule that failed."""
        return self.root / "quarantine"

    @property
    def expectations(self) -> Path:
        """Great Expectations' project directory, Data Docs included."""
        return self.root / "gx"

    @property
    def feast(self) -> Path:
        """Feast registry and embedded online store."""
        return self.root / "feast"

    @property
    def mlflow(self) -> Path:
        """MLflow's tracking database and artifacts."""
        return self.root / "mlflow"

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI; it may have a password in it: `tracking_place` is for people."""
        return self.tracking_database or f"sqlite:///{self.mlflow / 'mlflow.db'}"

    @property
    def tracking_place(self) -> str:
        """Where MLflow's database is, without a password."""
        if self.tracking_database is None:
            return self.tracking_uri
        return f"postgresql://{self.tracking_database.rpartition('@')[2].partition('?')[0]}"

    @property
    def journal(self) -> Path:
        """The file of the trading process's journal (SQLite, WAL); `journal_place` says whether it is used."""
        return self.root / _JOURNAL

    @property
    def journal_place(self) -> JournalPlace:
        """Where the trading process's journal is: its file, or its schema in PostgreSQL."""
        return self.journal_database or self.journal

    @property
    def log(self) -> Path:
        """The trading process's log, JSON lines; older parts end with `.1`, `.2`, …"""
        return self.root / "logs" / "serve.jsonl"

    @property
    def request(self) -> Path:
        """Request of a person as versions before the queue left it: taken up before those of the queue."""
        return self.root / "serve-request.json"

    @property
    def requests(self) -> Path:
        """Folder of requests of persons to the trading process, one file each, in the order of their names."""
        return self.root / "serve-requests"

    @property
    def parity_verdicts(self) -> Path:
        """Folder of verdicts of parity checks that wait for the trading process to take them into the journal."""
        return self.root / "parity-verdicts"

    @property
    def parity_log(self) -> Path:
        """Output of the newest parity check that the trading process started."""
        return self.root / "parity.log"

    @property
    def retrain_lock(self) -> Path:
        """Lock file of the process that retrains."""
        return self.root / "retrain.lock"

    @property
    def retrain_log(self) -> Path:
        """Output of the newest retraining that a scheduler or the trading process started."""
        return self.root / "retrain.log"

    @property
    def reports(self) -> Path:
        """Figures and tables that commands write for people."""
        return self.root / "reports"
