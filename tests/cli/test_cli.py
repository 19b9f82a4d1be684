import json
import logging
import os
import re
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from hilander import HiLander
from hilander.cli import app
from hilander.encoder.torch_encoder import TorchEncoder

needs_dgl = pytest.mark.skipif(find_spec("dgl") is None, reason="trains the published variant, which takes DGL")
COMMANDS = ("demo", "train", "cluster", "assign", "evaluate", "import-data", "report")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def blobs(n_classes=20, size=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), size)
    return rng.normal(size=(n_classes, 16))[labels] + 0.25 * rng.normal(size=(len(labels), 16)), labels


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Labelled embeddings, unlabelled ones of other classes, and the labels of these."""
    monkeypatch.chdir(tmp_path)
    embeddings, labels = blobs()
    np.savez("labelled.npz", embeddings=embeddings, labels=labels)
    others, other_labels = blobs(seed=1)
    np.save("others.npy", others)
    np.save("true.npy", other_labels)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"hilander {command}" in result.output


def test_clustering_works_at_the_first_try_and_says_what_a_model_would_add(files):
    result = run("cluster", "others.npy")
    assert result.exit_code == 0, result.output
    assert "hilander train" in result.output
    table = pd.read_parquet("clusters.parquet")
    assert list(table.columns) == ["id", "cluster", "probability"]
    assert table["cluster"].tolist() == HiLander().fit_predict(np.load("others.npy")).tolist()
    scored = run("evaluate", "clusters.parquet", "true.npy", "--json")
    assert json.loads(scored.output)["f_bcubed"] > 0.9
    assigned = run("assign", "others.npy", "--to", "others.npy", "--clusters", "clusters.parquet")
    assert assigned.exit_code == 0, assigned.output


def test_train_cluster_assign(files):
    trained = run("train", "labelled.npz", "-o", "model")
    assert trained.exit_code == 0, trained.output
    assert "--check tells" in trained.output  # of twenty classes
    assert (files / "model" / "README.md").exists()
    clustered = run("cluster", "others.npy", "--model", "model", "-o", "clusters.csv")
    assert clustered.exit_code == 0, clustered.output
    assert "No model was given" not in clustered.output
    np.save("later.npy", np.load("others.npy")[::7] * 2)
    assigned = run(
        "assign", "later.npy", "--to", "others.npy", "--clusters", "clusters.csv", "--model", "model", "-o", "a.csv"
    )
    assert assigned.exit_code == 0, assigned.output
    expected = pd.read_csv("clusters.csv")["cluster"][::7].to_numpy()
    agreed = pd.read_csv("a.csv")["cluster"].to_numpy() == expected
    assert agreed.mean() > 0.9  # the same points again, in other units


def test_a_check_tells_what_to_expect_of_the_model_beside_the_general_one(files):
    result = run("train", "labelled.npz", "-o", "model", "--check")
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    found = re.search(
        r"learned from 10 classes, 10 others are clustered with F_P (\S+), F_B (\S+), by the general model with "
        r"F_P ([.\d]+), F_B ([.\d]+)",
        told,
    )
    trained, general = (sum(map(float, found.groups()[part])) for part in (slice(0, 2), slice(2, 4)))
    assert ("the better one here" in told) == (general - trained > 0.02)
    assert ("about as good" in told) == (abs(general - trained) < 0.02)
    assert "--check tells" not in told


@needs_dgl
def test_labels_from_a_file_of_their_own(files):
    with np.load("labelled.npz") as arrays:
        np.save("bare.npy", arrays["embeddings"])
        pd.DataFrame({"label": arrays["labels"]}).to_csv("labels.csv")
    assert "holds no labels" in run("train", "bare.npy").output
    assert run("train", "bare.npy", "--labels", "labels.csv", "--variant", "published").exit_code == 0


def test_import_data(files):
    result = run("import-data", "labelled.npz", "data/mine.parquet")
    assert result.exit_code == 0, result.output
    assert len(pd.read_parquet("data/mine.parquet")) == 240


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
        (("cluster", "others.npy", "--scheduler", "foo"), "like tcp://10.0.0.5:8786, got 'foo'"),
    ],
)
def test_bad_input_ends_in_one_sentence(files, arguments, message):
    (files / "folder.csv").mkdir()
    (files / "folder.npz").mkdir()
    (files / "empty.csv").touch()
    (files / "text.npy").write_text("no numbers")
    np.savez("splits.npz", embeddings=np.eye(2), labels=["a", "b"], splits=["train", "test"])
    (files / "broken").mkdir()
    (files / "broken" / "metrics.json").write_text("[]")
    before = (files / "others.npy").read_bytes()
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert not list(files.glob("*.xlsx"))
    assert (files / "others.npy").read_bytes() == before


def test_the_installed_command_runs():
    command = Path(sys.executable).with_name("hilander")
    run = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert all(name in run.stdout for name in COMMANDS)


def test_the_demo_names_all_that_is_not_installed_at_once(files, monkeypatch):
    for name in ("kornia", "jinja2"):
        monkeypatch.setitem(sys.modules, name, None)
    result = run("demo", "folder")
    assert result.exit_code == 1
    assert "needs kornia, jinja2 as well: pip install 'hilander[encoder,report]'" in result.output
    assert not (files / "folder").exists()


@needs_dgl
def test_items_without_a_label_are_not_learned_from_as_a_class(files):
    embeddings, labels = blobs()
    names = pd.Series([f"class {label}" for label in labels])
    names[::3] = None
    pd.DataFrame({"embedding": list(embeddings.astype(np.float32)), "label": names}).to_parquet("partly.parquet")
    trained = run("train", "partly.parquet", "-o", "model", "--variant", "published")
    assert trained.exit_code == 0, trained.output
    assert "80 items without a label are left out" in trained.output
    assert "160 items of 20 classes" in trained.output


def test_an_output_that_lacks_a_sign_stops_no_command(files):
    result = CliRunner(charset="latin-1").invoke(app, ["cluster", "others.npy", "-o", "clusters.csv"])
    assert result.exit_code == 0, result.output
    assert "240 nodes ? " in result.stdout
    assert len(pd.read_csv("clusters.csv")) == 240


def test_a_reader_that_has_gone_ends_a_command_without_a_word(files):
    reading, writing = os.pipe()
    os.close(reading)
    command = [Path(sys.executable).with_name("hilander"), "evaluate", "true.npy", "true.npy"]
    run = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert run.returncode == 1
    assert run.stderr == ""


@pytest.mark.parametrize("arguments", [["evaluate", "true.npy", "true.npy"], ["--help"], ["--version"]])
def test_what_cannot_be_printed_is_said_in_one_sentence(files, arguments):
    command = [Path(sys.executable).with_name("hilander"), *arguments]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("Error: what this command prints could not be written (No space left on device)")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("moment", ["import typer", "build the commands"])
def test_an_interruption_before_there_is_a_command_ends_without_a_traceback(moment):
    code = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell has started this in the background
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if {moment!r} == f"import {{name}}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from hilander.cli import app
from hilander.encoder.torch_encoder import TorchEncoder
import typer.main
typer.main.get_command = lambda _: os.kill(os.getpid(), signal.SIGINT)
app()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 130
    assert run.stderr == ""


def test_help_is_there_before_the_library_is_imported():
    code = "import sys; from hilander.cli import app; sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_demo_that_could_not_write_its_model_does_not_begin(files):
    (files / "demo" / "model").mkdir(parents=True)
    (files / "demo" / "model" / "notes.txt").touch()
    result = run("demo", "demo")
    assert result.exit_code == 1
    assert "holds files but no model" in result.output
    assert "1/4" not in result.output


def test_the_version_is_told():
    assert run("--version").output == f"hilander {metadata.version('hilander')}\n"


def test_ids_that_repeat_are_noted(files):
    embeddings, _ = blobs()
    pd.DataFrame({"embedding": list(embeddings), "id": ["a", *map(str, range(239))]}).to_parquet("same.parquet")
    assert "ids occur before" not in run("cluster", "same.parquet").output
    pd.DataFrame({"embedding": list(embeddings), "id": "a"}).to_parquet("same.parquet")
    assert "239 ids occur before" in run("cluster", "same.parquet").output


def test_assigning_by_the_threshold_that_was_printed_is_as_after_a_fit(files):
    printed = run("cluster", "others.npy", "-o", "clusters.csv").output
    threshold = re.search(r"at linkage threshold ([\d.]+)", printed)[1]
    later = np.load("others.npy") + 0.3 * np.random.default_rng(5).normal(size=(240, 16))
    np.save("later.npy", later)
    arguments = ("later.npy", "--to", "others.npy", "--clusters", "clusters.csv", "--threshold", threshold)
    assert run("assign", *arguments, "-o", "assigned.csv").exit_code == 0
    expected = HiLander().fit(np.load("others.npy")).predict(later)
    assert pd.read_csv("assigned.csv")["cluster"].tolist() == expected.tolist()


def test_assigning_takes_the_same_thresholds_as_clustering(files):
    run("cluster", "others.npy", "-o", "clusters.csv")
    arguments = ("others.npy", "--to", "others.npy", "--clusters", "clusters.csv", "-o", "assigned.csv", "--threshold")
    assert run("assign", *arguments, "adapted").exit_code == 0
    assert "must be a number within [0, 1] or 'adapted', got 'high'" in run("assign", *arguments, "high").output


def test_a_seed_below_0_is_refused_before_any_work(files):
    refused = run("train", "labelled.npz", "--seed", "-1")
    assert refused.exit_code == 2
    assert "--seed" in refused.output


def test_a_command_runs_where_its_messages_are_closed(files):
    command = [sys.executable, "-c", "from hilander.cli import app; app()", "cluster", "others.npy", "-o", "c.csv"]
    subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], check=True, stdout=subprocess.DEVNULL)
    assert len(pd.read_csv("c.csv")) == len(np.load("others.npy"))


def test_urls_where_only_this_machine_is_read_or_written_are_refused_as_such(files):
    # A path keeps one slash of two: a folder s3: was made here, and the clusters were said to be written.
    asked = {
        ("cluster", "s3://bucket/faces.npy"): "to read the URL s3://bucket/faces.npy, name a --run-folder",
        ("train", "s3://bucket/faces.npz"): "expected data on this machine, got the URL s3://…; fetch it first",
        ("cluster", "others.npy", "-o", "s3://bucket/c.csv"): "the output must lie on this machine, got the URL s3://…",
        ("train", "labelled.npz", "-o", "gs://bucket/model"): "the output must lie on this machine, got the URL gs://…",
        ("import-data", "labelled.npz", "s3://bucket/x.npz"): "the output must lie on this machine, got the URL s3://…",
    }
    before = sorted(files.iterdir())
    for arguments, words in asked.items():
        result = run(*arguments)
        assert result.exit_code == 1
        assert words in result.output
    assert sorted(files.iterdir()) == before


def test_a_folder_that_is_called_like_a_protocol_can_be_written_to(files):
    Path("s3:").mkdir()
    assert run("import-data", "labelled.npz", "s3:/bucket/x.npz").exit_code == 0
    assert Path("s3:/bucket/x.npz").is_file()


def test_images_are_encoded_clustered_and_shown_on_a_page(files, draw_characters, loads_nothing):
    (files / "photos").mkdir()
    for character, copy, image in draw_characters(8, 6, side=16, margin=2, shake=1):
        image.save(files / "photos" / f"{character}_{copy}.png")
    TorchEncoder("conv", image_size=16, width=8, embedding_size=16, device="cpu").save(files / "encoder")
    result = run("cluster", "photos", "--encoder", "encoder", "--report", "page.html")
    assert result.exit_code == 0, result.output
    table = pd.read_parquet("clusters.parquet")
    assert len(table) == 48
    assert f"page: {files / 'page.html'}" in result.output.replace("\n", "")
    html = (files / "page.html").read_text(encoding="utf-8")
    assert loads_nothing(html)
    assert f"<b>{table['cluster'].nunique()}</b>clusters" in html
    assert "data:image/png;base64," in html
    assert "the general one of the package" in html


def test_a_page_of_embeddings_names_the_items(files):
    result = run("cluster", "others.npy", "--outliers", "label", "--report", "page.html")
    assert result.exit_code == 0, result.output
    html = (files / "page.html").read_text(encoding="utf-8")
    assert "data:image/png" not in html
    assert "none, they are embeddings" in html


def test_an_output_in_a_home_that_no_shell_has_written_out_is_refused(files):
    asked = (
        ("cluster", "others.npy", "--output=~/c.csv"),
        ("train", "labelled.npz", "--output=~/models/a"),
        ("import-data", "labelled.npz", "~/x.npz"),
    )
    for arguments in asked:
        result = run(*arguments)
        assert result.exit_code == 1
        assert "begins with ~, which the shell writes out after a space, not after =" in result.output
    assert not (files / "~").exists()
    (files / "~").mkdir()
    assert run("import-data", "labelled.npz", "~/x.npz").exit_code == 0
    assert (files / "~" / "x.npz").is_file()


def test_messages_of_the_library_are_told_and_of_nothing_else_and_no_longer_than_the_command(files, caplog):
    caplog.set_level(logging.DEBUG)
    ours = logging.getLogger("hilander")
    before = ours.level, list(ours.handlers), list(logging.getLogger().handlers)
    for options, told in (((), False), (("--verbose",), True), ((), False)):
        result = run(*options, "cluster", "others.npy", "-o", "c.csv")
        assert result.exit_code == 0
        assert ("level 0: " in result.stderr) == told
        assert (ours.level, ours.handlers, logging.getLogger().handlers) == before
    logging.getLogger("hilander.hierarchy").warning("after the commands")
    assert "after the commands" in caplog.text  # and nothing of it went to a stream that is closed


def test_verbose_shows_where_an_error_came_from(files):
    (files / "text.npy").write_text("no numbers")
    assert "Traceback" in run("--verbose", "cluster", "text.npy").stderr
    assert "Traceback" not in run("cluster", "text.npy").stderr


def test_verbose_tells_the_choices_of_hilander_and_of_nothing_else(files):
    command = [sys.executable, "-c", "from hilander.cli import app; app()", "--verbose", "cluster", "others.npy"]
    told = subprocess.run([*command, "-o", "c.csv"], capture_output=True, text=True, check=True).stderr
    assert "level 0: " in told
    assert "faiss" not in told  # which says that it finds no faster build of itself
