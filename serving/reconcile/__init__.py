"""Reconciliation: journal and venue are made equal, at the start and before every decision."""

from serving.reconcile.reconciler import Reconciler
from serving.reconcile.report import ReconcileReport

__all__ = ["ReconcileReport", "Reconciler"]
