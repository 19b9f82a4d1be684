"""What the endpoints share: limits, lanes, the model, tasks and capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.embeddings import check_embeddings
from hilander.monitoring.capture import CaptureWriter
from hilander.serving.bodies import BytesInFlight, File
from hilander.serving.configuration import ServingConfig, configuration_path
from hilander.serving.jobs import Jobs
from hilander.serving.lane import Lane
from hilander.serving.model_in_service import LoadedRelease, ModelInService
from hilander.serving.tokens import Tokens

_SMALL_BODY = 16 * 2**10  # thirty rows or so: more take as long as a small clustering


class Serving:
    """One worker's state, from its start to its end.

    Parameters
    ----------
    configuration : ServingConfig
    """

    def __init__(self, configuration: ServingConfig) -> None:
        limits = configuration.limits
        self.configuration, self.limits = configuration, limits
        self.tokens = Tokens(configuration.security, configuration_path())
        self.model = ModelInService(configuration.models, configuration.reload_seconds)
        self.bytes_in_flight = BytesInFlight(limits.max_bytes_in_flight)
        self.lane = Lane("cluster", limits.max_running, limits.max_waiting)
        self.short_lane = Lane("assign", 1, limits.max_waiting)  # never waits behind a clustering
        self.jobs = Jobs(configuration.tasks)
        self.capture = CaptureWriter(**asdict(configuration.capture))

    def start(self) -> None:
        """Load the model."""
        self.model.start()

    def close(self) -> None:
        """Write what was captured, let calls end.

        In this order: all that was answered was captured, and calls that go on by now, which nobody waits for, may go
        on for longer than whoever ends the service has patience.
        """
        self.model.close()
        self.capture.close()
        self.lane.close()
        self.short_lane.close()

    def lane_for(self, n_bytes: int) -> Lane:
        """Return the lane of an assignment with a body of so many bytes."""
        return self.short_lane if n_bytes <= _SMALL_BODY else self.lane

    def submit(self, loaded: LoadedRelease, items: NDArray | Sequence[File], options: dict[str, Any]) -> str:
        """Start a job that clusters embeddings or images with this release; return its id."""
        captured = self.configuration.capture.enabled
        if isinstance(items, np.ndarray):  # a release's encoder makes embeddings of its catalogue's width
            captured = captured and items.shape[1] == loaded.n_catalogue_features
        tasks = self.configuration.tasks
        return self.jobs.submit(
            items,
            {
                "release": str(loaded.release.folder.absolute()),
                "version": loaded.version,
                "options": {
                    name: option.tolist() if isinstance(option, np.ndarray) else option
                    for name, option in options.items()
                },
                "max_image_pixels": self.limits.max_image_pixels,
                "max_running": tasks.max_running,
                "max_seconds": tasks.max_seconds,
                "capture": asdict(self.configuration.capture) if captured else None,
            },
        )

    def keep(
        self,
        loaded: LoadedRelease,
        embeddings: NDArray,
        labels: NDArray[np.int64],
        probabilities: NDArray[np.float32],
    ) -> None:
        """Capture what can be compared with the catalogue, as drift is judged: embeddings of its width."""
        if embeddings.shape[1] == loaded.n_catalogue_features:
            self.capture.put(check_embeddings(embeddings), labels, probabilities, loaded.version)
