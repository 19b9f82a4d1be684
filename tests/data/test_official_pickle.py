import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from hilander.data import DataError
from hilander.data.official_pickle import read_official_pickle

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)
LABELS = np.array([5, 5, 7, 9])


def saved(tmp_path: Path, content: object, protocol: int = 4) -> Path:
    path = tmp_path / "features.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist(), list(LABELS), [str(i) for i in LABELS]])
def test_reads_every_pickle_protocol_and_kind_of_labels(tmp_path, protocol, labels):
    dataset = read_official_pickle(saved(tmp_path, [FEATURES, labels], protocol))
    np.testing.assert_array_equal(dataset.embeddings, FEATURES)
    assert dataset.labels.tolist() == ["5", "5", "7", "9"]


@pytest.mark.parametrize(
    "features",
    [np.asfortranarray(FEATURES), FEATURES.astype(">f8"), FEATURES.tolist(), list(FEATURES), FEATURES[:, ::2]],
)
def test_reads_any_layout_of_features(tmp_path, features):
    dataset = read_official_pickle(saved(tmp_path, (features, LABELS)))
    np.testing.assert_array_equal(dataset.embeddings, np.asarray(features))


def test_reads_what_python_2_and_the_old_numpy_wrote(tmp_path):
    # Python 2 wrote an array's bytes as a plain string, and NumPy 1 named its modules otherwise.
    raw = repr(FEATURES.tobytes())[1:].encode()
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    array += b"(I1\n(I4\nI3\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR"
    array += b"(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS" + raw + b"\ntb"
    dataset = read_official_pickle(saved(tmp_path, b"(l" + array + b"a(lI5\naI5\naI7\naI9\naa."))
    np.testing.assert_array_equal(dataset.embeddings, FEATURES)
    assert dataset.labels.tolist() == ["5", "5", "7", "9"]


class Malice:
    """Touches a file when unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path, protocol):
    trap = tmp_path / "executed"
    path = saved(tmp_path, [FEATURES, Malice(trap)], protocol)
    with pytest.raises(DataError, match=r"refused to load 'posix\.mkdir'"):
        read_official_pickle(path)
    assert not trap.exists()
    pickle.loads(path.read_bytes())
    assert trap.exists()  # the trap is a real one


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([FEATURES, np.array([{}, 1, 2, 3])], "only arrays of numbers or strings are read"),
        ([FEATURES, LABELS[:3]], r"labels must have shape \(4,\)"),
        ({"features": FEATURES}, "expected a list"),
        ([FEATURES], "expected a list"),
        ([FEATURES, {"a": 1}], "expected an array or a list, got dict"),
        ([FEATURES, 7], "expected an array or a list, got int"),
        (b"not a pickle", "cannot be read as a pickle"),
        (pickle.dumps([FEATURES, LABELS])[:60], "cannot be read as a pickle"),
        # An array that claims more numbers than it brings would read foreign memory.
        (pickle.dumps([FEATURES, LABELS], 2).replace(b"K\x04K\x03\x86", b"K\x7fK\x03\x86"), "does not fit"),
        # A codec is a module that would be imported.
        (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.", "only latin1"),
    ],
)
def test_anything_else_is_refused_with_a_reason(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_official_pickle(saved(tmp_path, content))
