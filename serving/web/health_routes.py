"""`GET /health/{alive,trading,fresh}`: 200 or 503, and JSON that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.health import Health

if TYPE_CHECKING:
    from fastapi import APIRouter


def make_health_router(health: Health) -> APIRouter:
    """Return the routes `/health/{alive,trading,fresh}`: 200 or 503, and JSON that says why."""
    from fastapi import APIRouter
    from fastapi.responses import JSONResponse

    router = APIRouter()

    # Annotations are texts here, and FastAPI would look for the types in this module.
    @router.get(
        "/health/{question}",
        response_model=None,
        response_class=JSONResponse,
        summary="Whether the process is alive, trading, fresh, and why.",
        responses={404: {"description": "no such question"}, 503: {"description": "no, and why"}},
    )
    def read_verdict(question: str) -> JSONResponse:
        check = health.questions.get(question)
        if check is None:
            known = ", ".join(f"/health/{name}" for name in health.questions)
            error = {"what": "there is no such question", "remedy": f"ask {known}"}
            return JSONResponse({"error": error}, 404)
        verdict = check()
        return JSONResponse({"question": question, "ok": verdict.ok, "why": verdict.why}, 200 if verdict.ok else 503)

    return router
