"""What a command cannot do is said in one sentence, before any work is done."""

import sys

import numpy as np
import pytest

from tests.cli.conftest import run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cluster", "none.npy"), "none.npy"),
        (("cluster", "others.npy", "-o", "x.xlsx"), "labels are kept in"),
        (("cluster", "others.npy", "--model", "nowhere"), "expected a model folder"),
        (("cluster", "others.npy", "--threshold", "3"), "within [0, 1]"),
        (("cluster", "others.npy", "--whitening", "3"), "within [0, 1]"),
        (("cluster", "others.npy", "--threshold", "fine"), "or 'adapted'"),
        (("train", "labelled.npz", "--variant", "magic"), "hilander, published"),
        (("evaluate", "true.npy", "true.txt"), "labels are kept in"),
        (("report", "nowhere"), "dvc repro"),
        (("cluster", "others.npy", "-o", "others.npy"), "others.npy is read here"),
        (("cluster", "others.npy", "-o", "folder.csv"), "folder.csv is a folder"),
        (("cluster", ".", "-o", "found.npy"), "found.npy lies in ., and would be read as data"),
        (("cluster", "others.npy", "-o", "/proc/self/c.csv"), "nothing can be written to /proc/self"),
        (("assign", "true.npy", "--to", "others.npy", "--clusters", "true.npy", "-o", "others.npy"), "is read here"),
        (("train", "labelled.npz", "-o", "labelled.npz"), "labelled.npz is a file"),
        (("train", "labelled.npz", "-o", "."), "holds files but no model"),
        (("train", "labelled.npz", "-o", "/proc/self/model"), "nothing can be written to /proc/self"),
        (("evaluate", "true.npy", "empty.csv"), "empty.csv cannot be read"),
        (("evaluate", "true.npy", "text.npy"), "text.npy must be a NumPy file"),
        (("cluster", "text.npy"), "text.npy is no NumPy file"),
        (("report", "broken"), "metrics.json holds no metrics"),
        (("import-data", "labelled.npz", "labelled.npz"), "labelled.npz is read here"),
        (("import-data", ".", "labelled.npz"), "labelled.npz lies in ., and would be read as data"),
        (("train", "splits.npz", "--split", "val"), "the data name: test, train; name one of them"),
        (("import-data", "text.npy", "x.xlsx"), "expected the suffix .parquet or .npz"),  # before it is read
        (("import-data", "text.npy", "folder.npz"), "folder.npz is a folder"),
        (("import-data", "text.npy", "/proc/self/x.npz"), "nothing can be written to /proc/self"),
        (("cluster", "others.npy", "--report", "page.txt"), "must end in .html, got page.txt"),
        (("cluster", "others.npy", "--report", "/proc/self/page.html"), "nothing can be written to /proc/self"),
        (("cluster", "text.npy", "--granularity", "0"), "granularity must be above 0"),  # before it is read
        (("cluster", "text.npy", "--outliers", "drop"), "outliers must be one of"),
        (("assign", "text.npy", "--to", "text.npy", "--clusters", "c.csv", "--threshold", "3"), "within [0, 1]"),
        (("cluster", "text.npy", "--must-link", "pairs.csv"), "expected pairs in pairs.csv"),
        (("assign", "text.npy", "--to", "text.npy", "--clusters", "gone.csv"), "gone.csv"),
        (("train", "labelled.npz", "-o", "encoder"), "holds a hilander-encoder, which a hilander-model would replace"),
        (("cluster", "others.npy", "--scheduler", "foo"), "like tcp://10.0.0.5:8786, got 'foo'"),
    ],
)
def test_bad_input_ends_in_one_sentence(files, arguments, message):
    (files / "folder.csv").mkdir()
    (files / "folder.npz").mkdir()
    (files / "empty.csv").touch()
    (files / "text.npy").write_text("no numbers")
    np.savez("splits.npz", embeddings=np.eye(2), labels=["a", "b"], splits=["train", "test"])
    (files / "encoder").mkdir()
    (files / "encoder" / "config.json").write_text('{"format": "hilander-encoder/1"}')
    (files / "broken").mkdir()
    (files / "broken" / "metrics.json").write_text("[]")
    before = (files / "others.npy").read_bytes()
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert not list(files.glob("*.xlsx"))
    assert (files / "others.npy").read_bytes() == before


def test_a_seed_below_0_is_refused_before_any_work(files):
    refused = run("train", "labelled.npz", "--seed", "-1")
    assert refused.exit_code == 2
    assert "--seed" in refused.output


def test_the_demo_names_all_that_is_not_installed_at_once(files, monkeypatch):
    for name in ("kornia", "jinja2"):
        monkeypatch.setitem(sys.modules, name, None)
    result = run("demo", "folder")
    assert result.exit_code == 1
    assert "needs kornia, jinja2 as well: pip install 'hilander[encoder,report]'" in result.output
    assert not (files / "folder").exists()
