"""The Bento: ``bentoml serve hilander.serving.service:HilanderService``."""

from __future__ import annotations

import os
from typing import Any, cast

import attrs
import bentoml
from bentoml import Service
from bentoml.exceptions import BentoMLException
from starlette.types import ASGIApp

from hilander.serving.app import ROUTES, make_app
from hilander.serving.configuration import CONFIGURATION_VARIABLE, complete_variables, load_configuration
from hilander.serving.documentation import PAGE_FILES, client_routes
from hilander.serving.gate import PROBES, Gate
from hilander.serving.serving import Serving
from hilander.serving.tokens import Tokens

app = make_app()

_SPARE_SECONDS = 10
_BENTOML_PATHS = ("/metrics", "/schema.json", *PAGE_FILES)


@attrs.define(hash=False, repr=False)
class GatedService(Service):
    """A BentoML service whose endpoints are an application of its own, behind a gate.

    BentoML's own parsing lets NaN pass, answers ragged lists with 500, limits no size and cancels no task; so the
    endpoints read their bodies themselves, and BentoML starts and watches the workers, measures, and builds.
    """

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Return the application behind the gate."""
        limits = load_configuration().limits  # BentoML's timeout, of other words, must never come before ours
        self.config["traffic"] = {"timeout": limits.max_upload_seconds + limits.max_seconds + _SPARE_SECONDS}
        paths = {route.path for route in ROUTES} | set(PROBES) | set(_BENTOML_PATHS)
        return Gate(super().to_asgi(is_main), paths, _tokens)

    def schema(self) -> dict[str, Any]:
        """Describe the endpoints to BentoML's clients."""
        return {**super().schema(), "routes": client_routes()}


def _n_workers(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        # of those errors that end the command with one line
        raise BentoMLException(f"HILANDER_WORKERS must be a whole number from 1, got {text!r}")
    return int(text)


@bentoml.service(
    service_class=GatedService,
    workers=_n_workers(os.environ.get("HILANDER_WORKERS") or "1"),
)
@bentoml.asgi_app(app, path="/")
class HilanderService:
    """Learned clustering of embeddings and images: labels of classes never seen."""

    @bentoml.on_deployment
    @staticmethod
    def prepare() -> None:
        """Before the workers start, in the folder of the command: name paths in full, refuse a wrong configuration."""
        complete_variables()
        is_bento = cast(GatedService, HilanderService).bento is not None
        if is_bento and not os.environ.get(CONFIGURATION_VARIABLE):
            return  # a serving.yaml that lies here is not the workers', who work inside of the Bento
        try:
            Serving(load_configuration())
        except (ImportError, OSError, ValueError) as error:  # one line instead of workers that fail again and again
            raise BentoMLException(str(error)) from error

    def __is_ready__(self) -> bool:
        """Tell whether a release is loaded."""
        serving: Serving = app.state.serving
        return serving.model.is_ready


def _tokens() -> Tokens:
    serving: Serving = app.state.serving
    return serving.tokens
