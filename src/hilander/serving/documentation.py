"""The OpenAPI description, with examples from the catalogue in service that run as they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from hilander.serving import schemas
from hilander.serving.embeddings_body import BINARY_TYPES, FORM_TYPE
from hilander.serving.images_body import ZIP_TYPES
from hilander.serving.serving import Serving

_ERRORS = {
    "400": "The connection ended early.",
    "401": "No token, or an unknown one.",
    "403": "Without a token, for a page of another site.",
    "404": "No such path or task.",
    "405": "Another method.",
    "408": "The body took too long.",
    "409": "The task has no result (yet).",
    "413": "Beyond a limit of size.",
    "415": "Another format.",
    "422": "Understood, and cannot be served.",
    "429": "Too much at once; send it again.",
    "503": "No model is in service yet.",
}
_TASK_ID = {
    "name": "task_id",
    "in": "query",
    "required": True,
    "schema": {"type": "string"},
    "description": "From /cluster/submit or /cluster_images/submit.",
}
_KNOBS = [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.KNOBS.items()]
PAGE_FILES = ("/static_content/swagger-ui.css", "/static_content/swagger-ui-bundle.js")  # BentoML's
_PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>hilander</title>
<link rel="stylesheet" href=".{PAGE_FILES[0]}"></head><body><div id="swagger-ui"></div>
<script src=".{PAGE_FILES[1]}"></script>
<script>SwaggerUIBundle({{url: "./docs.json", dom_id: "#swagger-ui"}})</script></body></html>
"""


async def openapi(request: Request) -> Response:
    """Serve the OpenAPI description."""
    serving: Serving = request.app.state.serving
    return JSONResponse(describe(serving))


async def page(request: Request) -> Response:
    """Serve a page to read and try it on, which asks no other server for anything."""
    return HTMLResponse(_PAGE)


def describe(serving: Serving) -> dict[str, Any]:
    """Return the OpenAPI document of this service and its limits."""
    limits = serving.limits
    example = {"embeddings": _example_rows(serving), "granularity": 1.0, "cannot_link": [[0, 1]]}
    cluster = _embeddings_body(schemas.CLUSTER_REQUEST, example, schemas.CLUSTER_FORM)
    images, cluster_images = _images_body(schemas.IMAGES_FORM), _images_body(schemas.CLUSTER_IMAGES_FORM)
    large = f" More than {limits.max_rows_at_once:,} rows become a task (202)."
    many = f" More than {limits.max_images_at_once:,} become a task (202)."
    paths = {
        "/cluster": {
            "post": _operation("cluster", "Cluster embeddings." + large, "ClusterAnswer", _KNOBS, cluster, task=True)
        },
        "/cluster/submit": {
            "post": _operation("cluster_submit", "Cluster embeddings as a task.", None, _KNOBS, cluster, task=True)
        },
        "/cluster/status": {"get": _operation("cluster_status", "How far a task is.", "Task", [_TASK_ID])},
        "/cluster/get": {"get": _operation("cluster_get", "A finished task's answer.", "ClusterAnswer", [_TASK_ID])},
        "/cluster/cancel": {"put": _operation("cluster_cancel", "Stop a task.", "Task", [_TASK_ID])},
        "/cluster_images": {
            "post": _operation(
                "cluster_images",
                "Encode images and cluster them." + many,
                "ClusterImagesAnswer",
                _KNOBS,
                cluster_images,
                task=True,
            )
        },
        "/cluster_images/submit": {
            "post": _operation(
                "cluster_images_submit", "Cluster images as a task.", None, _KNOBS, cluster_images, task=True
            )
        },
        "/cluster_images/status": {
            "get": _operation("cluster_images_status", "How far a task is.", "Task", [_TASK_ID])
        },
        "/cluster_images/get": {
            "get": _operation("cluster_images_get", "A finished task's answer.", "ClusterImagesAnswer", [_TASK_ID])
        },
        "/cluster_images/cancel": {"put": _operation("cluster_images_cancel", "Stop a task.", "Task", [_TASK_ID])},
        "/encode": {"post": _operation("encode", "Encode images.", "EncodeAnswer", [], images)},
        "/assign": {
            "post": _operation(
                "assign",
                f"The catalogue's cluster of each embedding, or new. At most {limits.max_rows_at_once:,} rows.",
                "AssignAnswer",
                [],
                _embeddings_body(
                    schemas.ASSIGN_REQUEST, {"embeddings": _example_rows(serving)[:2]}, schemas.EMBEDDINGS_FORM
                ),
            )
        },
        "/model": {"get": _operation("model", "The release in service.", "Model", [])},
    }
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "hilander",
            "version": serving.model.current().version if serving.model.is_ready else "none",
            "description": (
                "Clusters embeddings of classes never seen. Limits: "
                f"{limits.max_rows:,} rows, {limits.max_width:,} columns, {limits.max_bytes:,} bytes a body "
                f"({limits.max_json_bytes:,} as JSON), {limits.max_images:,} images of "
                f"{limits.max_image_pixels:,} pixels. Every refusal is one sentence that says what to do."
            ),
        },
        "servers": [{"url": "."}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.COMPONENTS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def client_routes() -> list[dict[str, Any]]:
    """Describe the endpoints as BentoML's clients want them: ``client.cluster(embeddings=…)``."""

    def route(name: str, request: dict[str, Any], is_task: bool) -> dict[str, Any]:
        return {
            "name": name,
            "route": f"/{name}",
            "batchable": False,
            "input": request,
            "output": {"type": "object"},
            "is_task": is_task,
        }

    return [
        route("cluster", schemas.CLUSTER_REQUEST, True),
        route("assign", schemas.ASSIGN_REQUEST, False),
        route("cluster_images", schemas.CLUSTER_IMAGES_REQUEST, True),
        route("encode", schemas.IMAGES_REQUEST, False),
    ]


def _operation(
    name: str,
    summary: str,
    answer: str | None,
    parameters: list[dict[str, Any]],
    body: dict[str, Any] | None = None,
    *,
    task: bool = False,
) -> dict[str, Any]:
    responses = {status: _json(text, "Error") for status, text in _ERRORS.items()}
    if answer is not None:
        responses["200"] = _json("Done.", answer)
    if name == "encode":
        responses["200"]["content"]["application/x-npy"] = {"schema": {"type": "string", "format": "binary"}}
        responses["200"]["headers"] = {"X-Model-Version": {"schema": {"type": "string"}, "description": "With .npy."}}
    if task:
        responses["202"] = _json("A task is under way.", "Task")
    operation = {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}
    return operation if body is None else {**operation, "requestBody": body}


def _json(description: str, schema: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _embeddings_body(schema: dict[str, Any], example: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": schema, "example": example},
            **dict.fromkeys(sorted(BINARY_TYPES), binary),
            FORM_TYPE: {"schema": form},
        },
    }


def _images_body(form: dict[str, Any]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    types = sorted(ZIP_TYPES | {"image/png", "image/jpeg"})
    return {
        "required": True,
        "content": {FORM_TYPE: {"schema": form}, **dict.fromkeys(types, binary)},
    }


def _example_rows(serving: Serving) -> list[list[float]]:
    if not serving.model.is_ready:
        return [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]
    return np.round(serving.model.current().examples.astype(np.float64), 3).tolist()
