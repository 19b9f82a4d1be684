"""Folders of processes that were killed go with the next one; those of processes that end just then stop nobody."""

from pathlib import Path
from uuid import uuid4

from hilander.held_folder import held_folder


def test_a_folder_that_goes_as_it_is_looked_at_stops_nobody(tmp_path, monkeypatch):
    """As where many runs share one folder for temporary files, and each deletes its own in the end."""
    other = tmp_path / f"run-{uuid4().hex}"
    other.mkdir()
    looked_at, stat = [], Path.stat

    def stat_and_go(path, **options):
        found = stat(path, **options)
        if path == other:
            looked_at.append(path)
            other.rmdir()
        return found

    monkeypatch.setattr(Path, "stat", stat_and_go)
    with held_folder(tmp_path, "run-") as folder:
        assert folder.is_dir()
        assert looked_at == [other]
    assert list(tmp_path.iterdir()) == []
