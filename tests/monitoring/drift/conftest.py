import numpy as np
import pytest

from hilander.monitoring.drift import DriftMonitor, DriftSettings

SETTINGS = DriftSettings(n_draws=60, max_rows=256)


def _make_classes(n_classes, seed, d=16, size=12, spread=0.3):
    """Gaussian classes; as different seeds give other classes, two sets are of one domain."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(n_classes, d))
    labels = np.repeat(np.arange(n_classes), size)
    return (centres[labels] + spread * random.normal(size=(len(labels), d))).astype(np.float32), labels


@pytest.fixture(scope="session")
def make_classes():
    return _make_classes


@pytest.fixture(scope="session")
def monitor():
    return DriftMonitor(*_make_classes(120, 0), settings=SETTINGS)


@pytest.fixture(scope="session")
def drifted(monitor):
    window, _ = _make_classes(40, 7)
    window[:, 0] += 2
    return monitor.compare(window)
