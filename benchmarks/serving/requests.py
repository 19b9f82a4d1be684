"""What the service is asked."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hilander.releases import Release

JSON, NPY = "application/json", "application/x-npy"
WIDTH = 256
Request = tuple[str, bytes, str]  # path, body, content type


def latency_cases(release: Release, *, quick: bool) -> Iterator[tuple[str, Request, int]]:
    """What is measured, with how many clients; larger sets become tasks."""
    assigned, clustered = (1, 100) if quick else (1, 100, 10_000), (1_000,) if quick else (1_000, 10_000)
    for n in assigned:
        rows = catalogue_like(release, n)
        for form, body, media_type in (("JSON", as_json(rows), JSON), ("binary", as_npy(rows), NPY)):
            for clients in (1, 16):
                yield f"/assign | {n:,} × {rows.shape[1]} | {form}", ("/assign", body, media_type), clients
    for n in clustered:
        rows = blobs(n)
        for form, body, media_type in (("JSON", as_json(rows), JSON), ("binary", as_npy(rows), NPY)):
            for clients in (1, 16):
                yield f"/cluster | {n:,} × {WIDTH} | {form}", ("/cluster", body, media_type), clients


def catalogue_like(release: Release, n: int) -> NDArray[np.float32]:
    """Rows near those of the catalogue."""
    rng = np.random.default_rng(n)
    embeddings = release.catalogue().embeddings
    return embeddings[rng.integers(len(embeddings), size=n)] + 0.02 * rng.normal(size=(n, embeddings.shape[1])).astype(
        np.float32
    )


def blobs(n: int) -> NDArray[np.float32]:
    """Rows of about 20 a cluster."""
    rng = np.random.default_rng(n)
    centers = rng.normal(size=(max(n // 20, 1), WIDTH)).astype(np.float32)
    return centers[rng.integers(len(centers), size=n)] + 0.7 * rng.normal(size=(n, WIDTH)).astype(np.float32)


def as_json(rows: NDArray[np.float32]) -> bytes:
    """Rows of six digits as JSON."""
    return json.dumps({"embeddings": np.round(rows.astype(np.float64), 6).tolist()}).encode()


def as_npy(rows: NDArray[np.float32]) -> bytes:
    """Rows as numpy.save writes them."""
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


def picture() -> bytes:
    """A small image of a ring."""
    image = Image.new("L", (48, 48), 255)
    ImageDraw.Draw(image).ellipse((8, 6, 40, 42), outline=0, width=4)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
