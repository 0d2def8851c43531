"""The journal: what was decided, intended, sent, answered and filled."""

from serving.journal.journal import Journal
from serving.journal.records import (
    ID_PREFIX,
    DecisionRecord,
    FeatureVector,
    Fill,
    Intent,
    IntentState,
    OrderEvent,
    PositionClose,
    PositionRecord,
    Purpose,
    Retraining,
    Run,
    ShadowRecord,
    Trace,
    client_order_id,
    decision_id,
    is_ours,
)

__all__ = [
    "ID_PREFIX",
    "DecisionRecord",
    "FeatureVector",
    "Fill",
    "Intent",
    "IntentState",
    "Journal",
    "OrderEvent",
    "PositionClose",
    "PositionRecord",
    "Purpose",
    "Retraining",
    "Run",
    "ShadowRecord",
    "Trace",
    "client_order_id",
    "decision_id",
    "is_ours",
]
