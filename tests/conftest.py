"""One thread per test process: small arrays run fastest so, and pytest-xdist uses the other cores."""

import os
import re
import shutil
from importlib.util import find_spec

import pytest
from hypothesis import settings

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
settings.register_profile("hilander", deadline=None)  # how long one takes says most of the machine
settings.load_profile("hilander")
DEPLOYMENT = ("flows/test_train", "flows/test_deploy", "flows/test_faults")  # of one server, which the last takes down
WITHOUT_DGL = find_spec("dgl") is None  # of which there is no wheel for Python 3.12 and later
OF_DGL = ["graph/test_build.py", "graph/test_sampling.py", "nn/test_lander.py", "training/test_published.py"]
collect_ignore = OF_DGL if WITHOUT_DGL else []
LONGEST = (*DEPLOYMENT, "e2e/", "flows/", "pipeline/", "serving/", "training/", "cli/")


def pytest_collection_modifyitems(items):
    """Files that take long come first: one left for the end would keep one process waiting for the other."""

    def place(item):
        path = item.path.as_posix()
        return next((place for place, part in enumerate(LONGEST) if f"tests/{part}" in path), len(LONGEST))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of one file, and those of one deployment, run in one process, which makes their fixtures once."""
    if config.getvalue("dist") != "loadfile":
        return None  # as was asked for
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return "deployment" if any(f"tests/{part}" in nodeid for part in DEPLOYMENT) else nodeid.split("::", 1)[0]

    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_setup():
    """Weights that a test or its fixtures draw are the same whichever tests ran before."""
    import torch  # once the threads are set

    torch.manual_seed(0)
    return (yield from _skipped_without_dgl())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """Skip what can be trained with DGL alone where there is none."""
    return (yield from _skipped_without_dgl())


def _skipped_without_dgl():
    try:
        return (yield)
    except ImportError as error:
        if WITHOUT_DGL and str(error).startswith("DGL is not installed"):
            pytest.skip(str(error))
        raise


@pytest.fixture(scope="session")
def draw_characters():
    """Function that makes characters of random strokes and yields shaky drawings of each, ink on paper."""
    import numpy as np  # once the threads are set
    from PIL import Image, ImageDraw

    def draw(n_characters, n_copies, *, side, margin, shake):
        rng = np.random.default_rng(0)
        for character in range(n_characters):
            strokes = rng.integers(margin, side - margin, (5, 2))
            for copy in range(n_copies):
                image = Image.new("L", (side, side), 255)
                shaky = strokes + rng.integers(-shake, shake + 1, strokes.shape)
                ImageDraw.Draw(image).line([tuple(point) for point in shaky.tolist()], fill=0, width=2)
                yield character, copy, image

    return draw


@pytest.fixture(scope="session")
def loads_nothing():
    """Function that says whether all that a page shows is in it, and nothing in it is run."""

    def check(html):
        sources = re.findall(r'(?:src|href)="([^"]{1,30})', html)
        return "<script" not in html and all(source.startswith("data:image/") for source in sources)

    return check


@pytest.fixture
def leaves_the_old_page(tmp_path):
    """Function that calls ``write(path, images)`` with unreadable images, and says whether all is as before."""

    class Broken:
        def __getitem__(self, i):
            raise OSError("no such image")

    def check(write):
        path = tmp_path / "report.html"
        path.write_text("old")
        with pytest.raises(OSError, match="no such image"):
            write(path, Broken())
        return path.read_text() == "old" and [file.name for file in tmp_path.iterdir()] == ["report.html"]

    return check


@pytest.fixture
def unreadable_below(tmp_path):
    """A folder with one that lies too deep to be read by its path, as one without permission is to all but root."""
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=folder)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    yield tmp_path
    os.close(folder)
    shutil.rmtree(tmp_path)
