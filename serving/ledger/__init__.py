"""The journal's money against the venue's bills: fees, results and funding, to the last digit."""

from serving.ledger.check import check_ledger
from serving.ledger.reading import read_ledger
from serving.ledger.records import Difference, Finding, LedgerReport

__all__ = ["Difference", "Finding", "LedgerReport", "check_ledger", "read_ledger"]
