"""The endpoints as one ASGI application, which owns a worker's state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hilander.serving import documentation, endpoints
from hilander.serving.configuration import load_configuration
from hilander.serving.kernels import keep_few_kernels
from hilander.serving.measures import measuring
from hilander.serving.refusals import Refusal, answer_refusal
from hilander.serving.serving import Serving
from hilander.serving.tidying import tidying

ROUTES = (
    Route("/cluster", endpoints.cluster, methods=["POST"]),
    Route("/cluster/submit", endpoints.submit, methods=["POST"]),
    Route("/cluster/status", endpoints.status, methods=["GET"]),
    Route("/cluster/get", endpoints.result, methods=["GET"]),
    Route("/cluster/cancel", endpoints.cancel, methods=["PUT"]),
    Route("/cluster_images", endpoints.cluster_images, methods=["POST"]),
    Route("/cluster_images/submit", endpoints.submit_images, methods=["POST"]),
    Route("/cluster_images/status", endpoints.status, methods=["GET"]),
    Route("/cluster_images/get", endpoints.result, methods=["GET"]),
    Route("/cluster_images/cancel", endpoints.cancel, methods=["PUT"]),
    Route("/encode", endpoints.encode, methods=["POST"]),
    Route("/assign", endpoints.assign, methods=["POST"]),
    Route("/model", endpoints.model, methods=["GET"]),
    Route("/docs.json", documentation.openapi, methods=["GET"]),
    Route("/", documentation.page, methods=["GET"]),
)


def make_app() -> Starlette:
    """Return the application; its configuration is read when it starts."""
    return Starlette(
        routes=list(ROUTES),
        lifespan=_lifespan,
        exception_handlers={Refusal: answer_refusal, HTTPException: _answer_http_exception},
    )


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    keep_few_kernels()
    serving = Serving(load_configuration())
    app.state.serving = serving
    try:
        serving.start()
        async with measuring(serving), tidying(serving.jobs):
            yield
    finally:
        serving.close()


async def _answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    sentences = {405: f"{request.url.path} does not take {request.method}; /docs.json says what it takes"}
    return Refusal(error.status_code, sentences.get(error.status_code, error.detail), error.headers).response()
