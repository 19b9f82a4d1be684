"""What each path does with a request."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from hilander.serving.answers import (
    assign_answer,
    cluster_answer,
    cluster_images_answer,
    encode_answer,
    model_answer,
)
from hilander.serving.bodies import File, declared_bytes, read_body, while_connected
from hilander.serving.embeddings_body import read_embeddings
from hilander.serving.encoding import encode_images
from hilander.serving.images_body import LimitedImages, read_images
from hilander.serving.lane import Lane
from hilander.serving.model_in_service import LoadedRelease
from hilander.serving.options import CLUSTER_OPTIONS, check_constraints, check_options
from hilander.serving.refusals import invalid, too_large, without_folders
from hilander.serving.serving import Serving

_SUBMITTED = "the task is under way; ask for its status, then get its result"


async def cluster(request: Request) -> Response:
    """Cluster embeddings; many of them become a task."""
    return await _cluster(request, as_task=False)


async def submit(request: Request) -> Response:
    """Cluster embeddings as a task."""
    return await _cluster(request, as_task=True)


async def status(request: Request) -> Response:
    """Tell how far a task is."""
    return JSONResponse(_serving(request).jobs.status(_task_id(request)))


async def result(request: Request) -> Response:
    """Return a finished task's answer."""
    path = _serving(request).jobs.result(_task_id(request))
    # Always whole: Starlette would refuse ranges in words of its own, and parts of JSON are none.
    request.scope["headers"] = [header for header in request.scope["headers"] if header[0] != b"range"]
    return FileResponse(path, media_type="application/json", headers={"Accept-Ranges": "none"})


async def cancel(request: Request) -> Response:
    """Stop a task."""
    return JSONResponse(await run_in_threadpool(_serving(request).jobs.cancel, _task_id(request)))


async def assign(request: Request) -> Response:
    """Assign embeddings to the catalogue's clusters."""
    serving = _serving(request)

    def work(body: bytearray) -> Response:
        loaded = serving.model.current()
        embeddings, given = read_embeddings(
            body,
            _content_type(request),
            serving.limits,
            n_features=loaded.n_catalogue_features,
        )
        check_options({**request.query_params, **given}, (), serving.limits)
        most = serving.limits.max_rows_at_once
        if len(embeddings) > most:
            raise too_large(f"at most {most:,} rows can be assigned at once, got {len(embeddings):,}; send fewer")
        assignment = loaded.assign(embeddings)
        serving.keep(loaded, embeddings, assignment.labels, assignment.probabilities)
        return JSONResponse(assign_answer(assignment, loaded.version))

    return await _with_body(request, work, serving.lane_for)


async def encode(request: Request) -> Response:
    """Encode images."""
    serving = _serving(request)

    def work(body: bytearray) -> Response:
        loaded = serving.model.current()
        files, given = read_images(body, _content_type(request), serving.limits)
        check_options({**request.query_params, **given}, (), serving.limits)
        most = serving.limits.max_images_at_once
        if len(files) > most:
            raise too_large(f"at most {most:,} images can be encoded at once, got {len(files):,}; send them in parts")
        images = LimitedImages(files, serving.limits.max_image_pixels, request.state.left)
        embeddings = encode_images(loaded.encoder, images)
        if "application/x-npy" in request.headers.get("accept", ""):
            file = io.BytesIO()
            np.save(file, embeddings)
            version = {"X-Model-Version": loaded.version}  # which a matrix has no room for
            return Response(file.getvalue(), media_type="application/x-npy", headers=version)
        return JSONResponse(encode_answer([file.name for file in files], embeddings, loaded.version))

    return await _with_body(request, work)


async def cluster_images(request: Request) -> Response:
    """Encode images and cluster them; many of them become a task."""
    return await _cluster_images(request, as_task=False)


async def submit_images(request: Request) -> Response:
    """Encode images and cluster them as a task."""
    return await _cluster_images(request, as_task=True)


async def model(request: Request) -> Response:
    """Describe the release in service."""
    serving = _serving(request)
    return JSONResponse(model_answer(serving.model.current().release, serving.model.failure))


async def _cluster(request: Request, *, as_task: bool) -> Response:
    serving = _serving(request)

    def work(body: bytearray) -> Response:
        loaded = serving.model.current()
        network = loaded.clusterer.model
        embeddings, given = read_embeddings(
            body,
            _content_type(request),
            serving.limits,
            n_features=None if network is None else network.n_features,
        )
        options = check_options({**request.query_params, **given}, CLUSTER_OPTIONS, serving.limits)
        check_constraints(options, len(embeddings))
        if as_task or len(embeddings) > serving.limits.max_rows_at_once:
            return _submitted(serving, loaded, embeddings, options, "/cluster")
        fitted = _checked(lambda: loaded.cluster(embeddings, options))
        serving.keep(loaded, embeddings, fitted.labels_, fitted.probabilities_)
        return JSONResponse(cluster_answer(fitted, loaded.version))

    return await _with_body(request, work)


async def _cluster_images(request: Request, *, as_task: bool) -> Response:
    serving = _serving(request)

    def work(body: bytearray) -> Response:
        loaded = serving.model.current()
        files, given = read_images(body, _content_type(request), serving.limits)
        options = check_options({**request.query_params, **given}, CLUSTER_OPTIONS, serving.limits)
        check_constraints(options, len(files))
        images = LimitedImages(files, serving.limits.max_image_pixels, request.state.left)
        if as_task or len(files) > serving.limits.max_images_at_once:
            images.check()
            return _submitted(serving, loaded, files, options, "/cluster_images")
        embeddings = encode_images(loaded.encoder, images)
        fitted = _checked(lambda: loaded.cluster(embeddings, options))
        serving.keep(loaded, embeddings, fitted.labels_, fitted.probabilities_)
        return JSONResponse(cluster_images_answer(fitted, [file.name for file in files], loaded.version))

    return await _with_body(request, work)


def _submitted(
    serving: Serving, loaded: LoadedRelease, items: NDArray | list[File], options: dict[str, Any], path: str
) -> Response:
    """Start a task and say where to ask for it."""
    name = serving.submit(loaded, items, options)
    links = {step: f"{path}/{step}?task_id={name}" for step in ("status", "get", "cancel")}
    answer = {"task_id": name, "status": "in_progress", "links": links, "message": _SUBMITTED}
    return JSONResponse(answer, status_code=202, headers={"Location": links["status"]})


async def _with_body(
    request: Request, work: Callable[[bytearray], Response], choose: Callable[[int], Lane] | None = None
) -> Response:
    """Read the body and work on it in a lane, if there is room for both.

    ``request.state.left`` is set once nobody waits for the answer: what can stop then does not keep the others waiting.
    """
    serving = _serving(request)
    request.state.left = Event()
    serving.model.current()
    lane = serving.lane if choose is None else choose(declared_bytes(request))
    lane.check_room()
    limits = serving.limits
    with serving.bytes_in_flight.account() as account:
        body = await read_body(request, account, most_bytes=limits.max_bytes, most_seconds=limits.max_upload_seconds)
        lane = serving.lane if choose is None else choose(len(body))
        working = lane.run(partial(work, body), most_seconds=limits.max_seconds)
        try:
            return await while_connected(request, working)
        finally:
            request.state.left.set()


def _checked(call: Callable[[], Any]) -> Any:
    """Turn what the library refuses into a refusal: its errors say what to do."""
    try:
        return call()
    except ValueError as error:
        raise invalid(without_folders(error)) from error


def _serving(request: Request) -> Serving:
    serving: Serving = request.app.state.serving
    return serving


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "")


def _task_id(request: Request) -> str:
    task_id = request.query_params.get("task_id")
    if not task_id:
        raise invalid("the query parameter task_id must name a task, as /cluster/submit returned it")
    return task_id
