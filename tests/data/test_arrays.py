import numpy as np
import pytest

from hilander.data import DataError
from hilander.data.arrays import read_npy, read_npz


def test_features_is_another_name_for_embeddings(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.eye(2), labels=[1, 2], splits=["x", "y"], ids=["p", "q"])
    dataset = read_npz(tmp_path / "a.npz")
    assert (dataset.ids.tolist(), dataset.labels.tolist(), dataset.splits.tolist()) == (
        ["p", "q"],
        ["1", "2"],
        ["x", "y"],
    )


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", embeddings=np.eye(2), labels=np.array([{}, 1], dtype=object))
    for read, name in ((read_npy, "a.npy"), (read_npz, "a.npz")):
        with pytest.raises(DataError, match="holds Python objects"):
            read(tmp_path / name)


def test_faulty_files_are_named_with_a_reason(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3, dtype=np.float32))
    np.save(tmp_path / "a_labels.npy", np.arange(2))
    with pytest.raises(DataError, match=r"a\.npy: labels must have shape \(3,\)"):
        read_npy(tmp_path / "a.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:140])
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    for read, name in ((read_npy, "cut.npy"), (read_npz, "cut.npz")):
        with pytest.raises(DataError, match=name):
            read(tmp_path / name)
    np.savez(tmp_path / "odd.npz", something=np.eye(2))
    with pytest.raises(DataError, match=r"expected an array `embeddings`.*got something"):
        read_npz(tmp_path / "odd.npz")
