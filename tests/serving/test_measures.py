"""What the gauges say once a worker was killed, which cannot take its own back."""

import asyncio
import os
import subprocess
import sys
from collections import Counter

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from hilander.serving.configuration import Capture, ServingConfig
from hilander.serving.measures import measuring
from hilander.serving.serving import Serving

KILLED = """
import os, signal
from hilander.serving.measures import _gauges
captured, requests, held = _gauges()
captured.labels(what="rows_captured").set(7)
requests.labels(lane="cluster").set(3)
held.set(1000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def measured(folder):
    """What any worker answers for all of them, as /metrics does."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    totals = Counter()
    for metric in registry.collect():
        for sample in metric.samples:
            totals[sample.name] += sample.value
    return totals


def test_a_killed_worker_does_not_run_its_requests_for_ever(tmp_path, monkeypatch):
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False)
    assert measured(tmp_path)["hilander_requests"] == 3
    living = tmp_path / f"gauge_liveall_{os.getpid()}.db"
    living.touch()

    async def start_in_its_place():
        async with measuring(Serving(ServingConfig(capture=Capture(enabled=False)))):
            pass

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    asyncio.run(start_in_its_place())
    assert living.exists()
    living.unlink()
    now = measured(tmp_path)
    assert (now["hilander_requests"], now["hilander_bytes_in_flight"], now["hilander_capture"]) == (0, 0, 7)
