import zipfile

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
        with pytest.raises(DataError, match=r"holds Python objects.*labels\.astype\(str\)"):
            read(tmp_path / name)


def test_faulty_files_are_named_with_a_reason(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3, dtype=np.float32))
    np.save(tmp_path / "a_labels.npy", np.arange(2))
    with pytest.raises(DataError, match=r"a_labels\.npy must hold the labels of .*a\.npy, shape \(3,\)"):
        read_npy(tmp_path / "a.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:140])
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    for read, name in ((read_npy, "cut.npy"), (read_npz, "cut.npz")):
        with pytest.raises(DataError, match=name):
            read(tmp_path / name)
    np.savez(tmp_path / "odd.npz", something=np.eye(2))
    with pytest.raises(DataError, match=r"expected an array `embeddings`.*got something"):
        read_npz(tmp_path / "odd.npz")


def test_an_array_without_its_other_half_is_refused_by_name(tmp_path):
    # The test split came without labels and was dropped without a word.
    np.savez(tmp_path / "a.npz", train=np.eye(2), train_labels=[0, 1], test=np.eye(2), more_labels=[0])
    with pytest.raises(DataError, match=r"a\.npz: expected pairs .* got more_labels, test without"):
        read_npz(tmp_path / "a.npz")


def test_a_flipped_byte_anywhere_in_an_archive_is_read_or_told_with_the_file(tmp_path):
    for save, name in ((np.savez, "plain.npz"), (np.savez_compressed, "compressed.npz")):
        save(tmp_path / name, embeddings=np.eye(6), labels=np.arange(6))
        content = (tmp_path / name).read_bytes()
        n_refused = 0
        for position in range(0, len(content), 7):
            flipped = bytearray(content)
            flipped[position] ^= 0xFF
            (tmp_path / name).write_bytes(flipped)
            try:
                read_npz(tmp_path / name)
            except DataError as error:
                assert name in str(error)  # noqa: PT017
                n_refused += 1
        assert n_refused > 20


def test_a_numpy_file_under_the_name_of_another_kind_is_told_what_it_is(tmp_path):
    np.save(tmp_path / "array.npy", np.eye(2))
    np.savez(tmp_path / "archive.npz", embeddings=np.eye(2))
    (tmp_path / "array.npy").rename(tmp_path / "wrong.npz")
    (tmp_path / "archive.npz").rename(tmp_path / "wrong.npy")
    (tmp_path / "text.npy").write_text("1 2 3")
    for read, name, message in (
        (read_npz, "wrong.npz", r"wrong\.npz: expected several arrays.*got a single array: rename it to \.npy"),
        (read_npy, "wrong.npy", r"wrong\.npy: expected one array.*got an archive: rename it to \.npz"),
        (read_npy, "text.npy", r"text\.npy is no NumPy file"),
    ):
        with pytest.raises(DataError, match=message):
            read(tmp_path / name)


def test_an_archive_of_other_files_is_refused_by_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("notes.txt", "not an array")
    with pytest.raises(DataError, match=r"a\.npz: expected arrays alone, got notes\.txt"):
        read_npz(tmp_path / "a.npz")


def test_byte_labels_are_read_as_utf8_and_others_told_with_the_file(tmp_path):
    for name, label in (("good", "Åsa".encode()), ("bad", "Åsa".encode("latin-1"))):
        np.savez(tmp_path / f"{name}.npz", embeddings=np.eye(2), labels=np.array([label, b"Bo"]))
    assert read_npz(tmp_path / "good.npz").labels.tolist() == ["Åsa", "Bo"]
    with pytest.raises(DataError, match=r"bad\.npz: labels must be text in UTF-8, got the bytes b'\\xc5sa'"):
        read_npz(tmp_path / "bad.npz")


@pytest.mark.parametrize("name", ["labels.npy", f"{'x' * 250}.npy"])
def test_a_file_that_no_labels_can_lie_beside_is_read_without_any(tmp_path, name):
    np.save(tmp_path / name, np.eye(3))
    dataset = read_npy(tmp_path / name)
    assert dataset.labels is None
    assert np.array_equal(dataset.embeddings, np.eye(3))
