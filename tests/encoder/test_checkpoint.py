import dataclasses
import logging
import os
import pickle

import pytest
import torch

from hilander.config import EncoderParams
from hilander.encoder.checkpoint import Checkpoint, fingerprint

PARAMS = EncoderParams()
IMAGES = torch.arange(2 * 3 * 4, dtype=torch.uint8).reshape(2, 1, 3, 4)
LABELS = torch.tensor([0, 1])


class Shell:
    """What a pickle does that is loaded as one."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_state_is_read_back_for_its_fingerprint_and_no_other(tmp_path):
    checkpoint = Checkpoint(tmp_path, "a")
    assert checkpoint.read() is None
    for epoch in (1, 2):
        checkpoint.write({"epoch": epoch, "weights": {"w": torch.full((2, 3), epoch)}, "losses": [0.5, None]})
    state = Checkpoint(str(tmp_path), "a").read()
    assert (state["epoch"], state["losses"]) == (2, [0.5, None])
    assert torch.equal(state["weights"]["w"], torch.full((2, 3), 2))
    assert Checkpoint(tmp_path, "b").read() is None
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint(None, "a")
    checkpoint.write({"epoch": 1})
    assert checkpoint.read() is None
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path):
    checkpoint = Checkpoint(tmp_path, "a")
    checkpoint.write({"epoch": 1})
    with pytest.raises((AttributeError, pickle.PicklingError)):
        checkpoint.write({"epoch": lambda: 2})
    assert checkpoint.read() == {"epoch": 1}


def test_a_checkpoint_runs_nothing(tmp_path, caplog):
    torch.save({"fingerprint": "a", "state": Shell(f"touch {tmp_path / 'ran'}")}, tmp_path / "checkpoint.pt")
    with caplog.at_level(logging.WARNING):
        assert Checkpoint(tmp_path, "a").read() is None
    assert "training starts from the beginning" in caplog.text
    assert not (tmp_path / "ran").exists()


def test_all_that_decides_the_result_is_in_the_fingerprint_and_the_device_is_not(monkeypatch):
    known = fingerprint(PARAMS, IMAGES, LABELS)
    assert fingerprint(dataclasses.replace(PARAMS, device="cuda"), IMAGES.clone(), LABELS.clone()) == known
    assert fingerprint(PARAMS, IMAGES.transpose(2, 3).contiguous().transpose(2, 3), LABELS) == known
    others = {
        known,
        fingerprint(dataclasses.replace(PARAMS, seed=PARAMS.seed + 1), IMAGES, LABELS),
        fingerprint(dataclasses.replace(PARAMS, learning_rate=2 * PARAMS.learning_rate), IMAGES, LABELS),
        fingerprint(PARAMS, IMAGES.flip(0), LABELS),
        fingerprint(PARAMS, IMAGES.reshape(2, 1, 4, 3), LABELS),
        fingerprint(PARAMS, IMAGES, LABELS.flip(0)),
    }
    monkeypatch.setattr(torch, "__version__", "0.0.0")
    others.add(fingerprint(PARAMS, IMAGES, LABELS))
    assert len(others) == 7
