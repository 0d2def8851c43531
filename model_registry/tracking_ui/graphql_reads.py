"""GraphQL questions that only read: parsed, and every field at the top is one that the MLflow UI reads with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphql import DocumentNode, SelectionSetNode

# The last two are declared as mutations by MLflow, and only search.
_FIELDS = frozenset(
    {
        "__typename",
        "mlflowGetExperiment",
        "mlflowGetMetricHistoryBulkInterval",
        "mlflowGetRun",
        "mlflowSearchModelVersions",
        "mlflowSearchDatasets",
        "mlflowSearchRuns",
    }
)
_MOST_TOKENS = 5_000


def rewrite_question(body: bytes) -> bytes | None:
    """Return the question of a request as MLflow shall see it, composed anew; None for one that may not be asked.

    Composed anew, because what was looked at must be what is carried out, however the body is spelt.
    """
    from graphql import GraphQLError, parse

    try:
        asked = json.loads(body)
        query = asked["query"]
        if not isinstance(asked, dict) or not isinstance(query, str):
            return None
        document = parse(query, no_location=True, max_tokens=_MOST_TOKENS)
        if not _only_reads(document):
            return None
    except (ValueError, KeyError, TypeError, RecursionError, GraphQLError):
        return None
    kept = {name: asked[name] for name in ("query", "variables", "operationName") if name in asked}
    return json.dumps(kept).encode()


def _only_reads(document: DocumentNode) -> bool:
    from graphql import FragmentDefinitionNode, OperationDefinitionNode

    operations = [item for item in document.definitions if isinstance(item, OperationDefinitionNode)]
    fragments = {item.name.value: item for item in document.definitions if isinstance(item, FragmentDefinitionNode)}
    if len(operations) + len(fragments) != len(document.definitions) or not operations:
        return False
    return all(
        set(_top_fields(operation.selection_set, {name: item.selection_set for name, item in fragments.items()}, ()))
        <= _FIELDS
        for operation in operations
    )


def _top_fields(
    selected: SelectionSetNode, fragments: dict[str, SelectionSetNode], inside: tuple[str, ...]
) -> list[str]:
    """Return the names of the fields at the top; a fragment that is unknown or contains itself has no name."""
    from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode

    names = []
    for item in selected.selections:
        if isinstance(item, FieldNode):
            names.append(item.name.value)  # an alias changes what the answer is called, not what is done
        elif isinstance(item, InlineFragmentNode):
            names += _top_fields(item.selection_set, fragments, inside)
        elif isinstance(item, FragmentSpreadNode) and item.name.value in fragments and item.name.value not in inside:
            name = item.name.value
            names += _top_fields(fragments[name], fragments, (*inside, name))
        else:
            names.append("")
    return names
