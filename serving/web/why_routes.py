"""Route of the chain behind an order."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import Field

from serving.views.order_chain import OrderChainView, find_order
from serving.web.answers import Answers
from serving.web.chain_walks import ChainWalks
from serving.web.errors import API, NOT_FOUND, RESPONSES


def make_why_router(answers: Answers, walks: ChainWalks) -> APIRouter:
    """Return the route; an order that the journal does not know starts no walk."""
    router = APIRouter(prefix=API, responses=RESPONSES)

    @router.get("/why/{order}", response_model=OrderChainView, responses=NOT_FOUND)
    async def why(order: Annotated[str, Path(), Field(min_length=1, max_length=200)]) -> Response:
        """From an order back to its decision, features, model, training, raw data and code; scored again twice."""
        known = await answers.look(lambda seen: find_order(seen, order))
        return Response(await walks.walk(known), media_type="application/json")

    return router
