import os

import numpy as np
import pytest
from PIL import Image

from hilander.data import DataError, read_dataset
from hilander.data.listing import list_files


def test_two_links_to_one_folder_are_two_folders(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    Image.new("L", (4, 4)).save(shared / "a.png")
    for split in ("train", "test"):
        (tmp_path / "data" / split).mkdir(parents=True)
        (tmp_path / "data" / split / "cat").symlink_to(shared)
    assert read_dataset(tmp_path / "data").ids.tolist() == ["test/cat/a.png", "train/cat/a.png"]


@pytest.mark.parametrize("start", ["", "."])
def test_a_link_back_ends_from_any_spelling_of_the_folder(tmp_path, monkeypatch, start):
    (tmp_path / "a" / "b").mkdir(parents=True)
    np.save(tmp_path / "a" / "b" / "x.npy", np.eye(2))
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path if not start else tmp_path.__class__(start)
    assert [os.fspath(path) for path in list_files(folder, {".npy"}, deep=True)] == ["a/b/x.npy"]


@pytest.fixture
def unreadable(unreadable_below):
    Image.new("L", (4, 4)).save(unreadable_below / "a.png")
    return unreadable_below


def test_a_folder_that_cannot_be_read_is_not_left_out_without_a_word(unreadable):
    with pytest.raises(DataError, match=r"x cannot be read \(File name too long\), and what lies in it would be"):
        read_dataset(unreadable)
