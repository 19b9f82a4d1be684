"""The Bento: ``bentoml serve hilander.serving.service:HilanderService``."""

from __future__ import annotations

import os
from typing import Any

import attrs
import bentoml
from bentoml import Service
from starlette.types import ASGIApp

from hilander.serving.app import ROUTES, make_app
from hilander.serving.documentation import client_routes
from hilander.serving.gate import PROBES, Gate
from hilander.serving.serving import Serving
from hilander.serving.tokens import Tokens

app = make_app()

_BENTOML_PATHS = ("/metrics", "/schema.json", "/static_content/*")


@attrs.define(hash=False, repr=False)
class GatedService(Service):
    """A BentoML service whose endpoints are an application of its own, behind a gate.

    BentoML's own parsing lets NaN pass, answers ragged lists with 500, limits no size and cancels no task; so the
    endpoints read their bodies themselves, and BentoML starts and watches the workers, measures, and builds.
    """

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Return the application behind the gate."""
        paths = {route.path for route in ROUTES} | set(PROBES) | set(_BENTOML_PATHS)
        return Gate(super().to_asgi(is_main), paths, _tokens)

    def schema(self) -> dict[str, Any]:
        """Describe the endpoints to BentoML's clients."""
        return {**super().schema(), "routes": client_routes()}


@bentoml.service(
    service_class=GatedService,
    workers=int(os.environ.get("HILANDER_WORKERS", "1")),
    traffic={"timeout": 120},  # longer than any upload and answer together, which have limits of their own
)
@bentoml.asgi_app(app, path="/")
class HilanderService:
    """Learned clustering of embeddings and images: labels of classes never seen."""

    def __is_ready__(self) -> bool:
        """Tell whether a release is loaded."""
        serving: Serving = app.state.serving
        return serving.model.is_ready


def _tokens() -> Tokens:
    serving: Serving = app.state.serving
    return serving.tokens
