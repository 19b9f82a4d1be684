"""What the service is asked."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hilander.releases import Release

JSON, NPY = "application/json", "application/x-npy"
WIDTH = 256
Request = tuple[str, bytes, str]  # path, body, content type


def latency_cases(release: Release, *, quick: bool) -> Iterator[tuple[str, Request, int]]:
    """What is measured, with how many clients."""
    assigned, clustered = (1, 100) if quick else (1, 100, 10_000), (1_000,) if quick else (1_000, 10_000)
    for clients in (1, 16):
        for n in assigned:
            rows = catalogue_like(release, n)
            yield f"/assign {n:,} rows, JSON", ("/assign", as_json(rows), JSON), clients
            yield f"/assign {n:,} rows, binary", ("/assign", as_npy(rows), NPY), clients
        for n in clustered:
            rows = blobs(n)
            if n <= 1_000:
                yield f"/cluster {n:,} × {WIDTH}, JSON", ("/cluster", as_json(rows), JSON), clients
            yield f"/cluster {n:,} × {WIDTH}, binary", ("/cluster", as_npy(rows), NPY), clients


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
