"""From the files that ``dvc repro`` wrote to labels over HTTP, and from shifted traffic to the alarm."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from PIL import Image

from benchmarks.record import ROOT
from benchmarks.serving.requests import NPY, as_npy
from benchmarks.serving.server import serve_folder
from hilander.data import read_dataset
from hilander.pipeline.package import package

_SHARE_OF_CLASSES = 0.3  # in the traffic that is judged
_PER_REQUEST = 1_000


def end_to_end() -> dict[str, float]:
    """Put the stages' model into service, cluster the evaluation images over HTTP, then let `monitor` judge traffic.

    Returns
    -------
    dict of str to float
        Shares of labels that are those of ``artifacts/clusters/test.parquet``, and exit codes of ``flows/monitor.py``:
        0 where nothing drifted, 3 where it did.
    """
    written = pd.read_parquet(ROOT / "artifacts" / "clusters" / "test.parquet")
    embeddings = np.load(ROOT / "artifacts" / "embeddings" / "test" / "embeddings.npy")
    test = read_dataset(ROOT / "data").split("test")
    assert test.images is not None
    place = {item: row for row, item in enumerate(test.ids)}
    pictures = [test.images[place[item]] for item in written["id"]]
    figures: dict[str, float] = {"images": len(pictures)}
    items = pd.read_parquet(ROOT / "artifacts" / "embeddings" / "test" / "items.parquet")
    rows = np.flatnonzero(_some_classes(items["label"]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package(ROOT, folder / "models")
        with serve_folder(folder, folder / "models") as url, httpx.Client(base_url=url, timeout=120) as client:
            answer = client.post("/cluster", content=as_npy(embeddings), headers={"Content-Type": NPY}).json()
            figures["share of equal labels, from embeddings"] = _share_equal(answer, written)
            figures["share of equal labels, from images"] = _share_equal(_cluster_images(client, pictures), written)
        for traffic, degrees in (("as they are", 0), ("turned by 30°", 30)):
            turned = [pictures[row].convert("L").rotate(degrees, fillcolor=255) for row in rows]
            home = folder / f"turned {degrees}"
            with serve_folder(home, folder / "models") as url, httpx.Client(base_url=url, timeout=120) as client:
                _send_traffic(client, turned)
            figures[f"exit code of monitor, images {traffic}"] = _monitor(folder, home / "captured")
    return figures


def _share_equal(answer: dict[str, Any], written: pd.DataFrame) -> float:
    return float(np.mean(np.array(answer["labels"]) == written["cluster"].to_numpy()))


def _cluster_images(client: httpx.Client, pictures: list[Image.Image]) -> Any:
    """Send all images in one zip; so many become a task."""
    answer = client.post("/cluster_images", content=_zipped(pictures), headers={"Content-Type": "application/zip"})
    links = answer.json()["links"]
    while client.get(links["status"]).json()["status"] == "in_progress":
        time.sleep(0.5)
    return client.get(links["get"]).raise_for_status().json()


def _send_traffic(client: httpx.Client, pictures: list[Image.Image]) -> None:
    """Encode and assign, as a caller who sorts new images into the catalogue does."""
    for start in range(0, len(pictures), _PER_REQUEST):
        headers = {"Content-Type": "application/zip", "Accept": NPY}
        encoded = client.post("/encode", content=_zipped(pictures[start : start + _PER_REQUEST]), headers=headers)
        client.post("/assign", content=encoded.content, headers={"Content-Type": NPY}).raise_for_status()


def _monitor(workspace: Path, captured: Path) -> int:
    """Run the flow on what was captured; return its exit code."""
    (workspace / "params.yaml").write_text(yaml.safe_dump({"monitor": {"captures": str(captured), "min_rows": 500}}))
    command = [sys.executable, str(ROOT / "flows" / "monitor.py"), "--workspace", str(workspace)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _some_classes(labels: pd.Series) -> NDArray[np.bool_]:
    """Mark the images of three tenths of the classes, whole: thinned ones would look lonely."""
    classes = np.random.default_rng(0).permutation(labels.unique())
    return labels.isin(classes[: int(_SHARE_OF_CLASSES * len(classes))]).to_numpy()


def _zipped(pictures: Iterable[Image.Image]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, picture in enumerate(pictures):
            content = io.BytesIO()
            picture.save(content, "PNG")
            archive.writestr(f"{number:06}.png", content.getvalue())
    return file.getvalue()
