"""Parameters of one run: an experiment of DVC's beside a workspace that stays as it is."""

import json
import shutil
from dataclasses import replace

import pytest
from dvc.config import Config

from hilander.config import load_params
from hilander.pipeline.dvc_stages import run_dvc, run_stage
from hilander.pipeline.experiment import ExperimentError, check_data_recorded, open_experiment, save_experiment
from hilander.typed_mapping import ConfigError

SETTINGS = """\
['remote "store"']
    url = ../store
['remote "away"']
    url = ssh://host/store
    password = hunter22
"""
PLACE = ".dvc/tmp/hilander/experiments"


def quiet(line):
    """Hear nothing."""


def test_an_experiment_carries_on_is_saved_and_applied_and_leaves_the_workspace_alone(workspace):
    home = workspace.folder
    workspace.write("script.py", "# né\r\nprint('changed')\r\n")  # not committed, and with the other line ends
    workspace.write(".dvc/config.local", SETTINGS)
    written = workspace.read("params.yaml")
    assert run_stage(home, "build_graph", quiet)
    status = workspace.run("git", "status", "--porcelain")

    copy = open_experiment(home, "run-1", {"encoder.epochs": 5})
    assert (copy / "script.py").read_bytes() == (home / "script.py").read_bytes()
    assert (copy / "params.yaml").read_text() == written.replace("epochs: 3", "epochs: 5")
    assert (copy / "data").read_text() == "first data\n"
    settings = copy / ".dvc/config.local"
    assert "hunter22" in settings.read_text()
    assert not settings.stat().st_mode & 0o077
    assert Config(str(copy / ".dvc"))["remote"]["store"]["url"] == str(home / "store")
    assert not run_stage(copy, "build_graph", quiet)  # as the workspace has it

    workspace.write("script.py", "print('mended')\n")
    workspace.write("new.py", "pass\n")
    workspace.run("git", "add", "new.py")
    workspace.run("git", "commit", "-qm", "moved on", "new.py")
    assert run_stage(copy, "train_lander", quiet)
    again = open_experiment(home, "run-1", {"encoder.epochs": 5})  # as if the first had been killed here
    assert again == copy
    assert (copy / "script.py").read_text() == "print('mended')\n"
    assert (copy / "new.py").is_file()
    assert not run_stage(copy, "train_lander", quiet)
    assert run_stage(copy, "evaluate", quiet)
    save_experiment(home, copy, quiet)
    shutil.rmtree(copy)

    assert workspace.read("params.yaml") == written
    assert not (home / "artifacts/model").exists()
    assert workspace.run("git", "status", "--porcelain") == status
    [baseline] = [entry for entry in json.loads(workspace.run("dvc", "exp", "show", "--json")) if entry["experiments"]]
    assert baseline["rev"] == workspace.run("git", "rev-parse", "HEAD").strip()
    assert [experiment["name"] for experiment in baseline["experiments"]] == ["run-1"]
    workspace.run("dvc", "exp", "apply", "run-1")
    assert workspace.read("params.yaml") == written.replace("epochs: 3", "epochs: 5")
    assert workspace.read("artifacts/model") == "model 5\n"
    told = workspace.run("dvc", "repro")  # brings what lies beside the cache as well, without a run
    assert workspace.read("reports/metrics.json").startswith("model 5\n")
    assert "Stage 'evaluate' is cached - skipping run" in told


def test_an_encoder_that_is_brought_along_is_there_on_record_or_not(workspace):
    workspace.write("models/net/config.json", "{}")
    overrides = {"encoder": {"name": "huggingface", "path": "models/net"}}
    for _ in range(2):  # the second one carries on
        copy = open_experiment(workspace.folder, "run-1", overrides)
        assert (copy / "models/net/config.json").read_text() == "{}"
    run_dvc(copy, ["repro"], quiet)
    save_experiment(workspace.folder, copy, quiet)
    shutil.rmtree(copy)
    assert workspace.read("models/net/config.json") == "{}"
    assert "models" not in workspace.run("git", "ls-tree", "-r", "--name-only", "refs/exps/" + exps_of(workspace))
    copy = open_experiment(workspace.folder, "run-2", {"encoder.path": "../nowhere"})
    assert not (copy / "models").exists()


def exps_of(workspace):
    """The one experiment: its place below refs/exps."""
    return workspace.run("git", "for-each-ref", "--format=%(refname:lstrip=2)", "refs/exps/**/run-1").strip()


def test_an_experiment_that_goes_back_to_what_is_committed_is_saved(workspace):
    """What the workspace has changed, it changes back: its folder holds what is committed, its index what was not."""
    home = workspace.folder
    written = workspace.read("params.yaml")
    workspace.run("dvc", "repro", "-q")
    workspace.run("git", "add", "-A")
    workspace.run("git", "commit", "-qm", "three epochs")
    workspace.write("params.yaml", written.replace("epochs: 3", "epochs: 5"))
    workspace.run("dvc", "repro", "-q")
    copy = open_experiment(home, "run-1", {"encoder.epochs": 3})
    for name in ("train_lander", "evaluate"):
        assert run_stage(copy, name, quiet)
    save_experiment(home, copy, quiet)
    assert "run-1" in workspace.run("dvc", "exp", "list")
    workspace.run("git", "checkout", "-q", "--", ".")
    workspace.run("dvc", "exp", "apply", "run-1")
    assert workspace.read("params.yaml") == written
    assert workspace.read("artifacts/model") == "model 3\n"


@pytest.mark.parametrize(("known", "author"), [(True, "n <a@b>"), (False, "hilander <hilander@localhost>")])
def test_an_experiment_is_saved_whether_git_knows_a_name_or_not(workspace, tmp_path, monkeypatch, known, author):
    for name in ("HOME", "XDG_CONFIG_HOME"):  # where no name is either
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    if not known:
        workspace.run("git", "config", "--remove-section", "user")
    copy = open_experiment(workspace.folder, "run-1", {"encoder.epochs": 5})
    run_dvc(copy, ["repro"], quiet)
    save_experiment(workspace.folder, copy, quiet)
    found = workspace.run("git", "for-each-ref", "--format=%(authorname) %(authoremail)", "refs/exps/**/run-1")
    assert found.strip() == author


@pytest.mark.parametrize("cache_type", ["copy", "hardlink", "symlink"])
def test_reports_come_along_and_nothing_is_written_through_a_link_into_the_cache(workspace, cache_type):
    home = workspace.folder
    workspace.write("dvc.yaml", workspace.read("dvc.yaml").replace(": {cache: false}", ""))
    workspace.run("dvc", "config", "cache.type", cache_type)
    workspace.run("dvc", "repro", "-q")
    workspace.run("git", "add", "-A")
    workspace.run("git", "commit", "-qm", "reports in the cache")
    (home / "reports/metrics.json").unlink()
    workspace.write("reports/metrics.json", "altered by hand\n")
    workspace.write("reports/page.html", "in no cache\n")
    (home / "reports/gone").symlink_to(home / "nowhere")
    before = {path: path.read_bytes() for path in (home / ".dvc/cache").rglob("*") if path.is_file()}
    copy = open_experiment(home, "run-1", {"encoder.epochs": 5})
    assert {path: path.read_bytes() for path in (home / ".dvc/cache").rglob("*") if path.is_file()} == before
    assert (copy / "reports/metrics.json").read_text().startswith("model 3\n")  # as dvc.lock says
    assert (copy / "reports/page.html").read_text() == "in no cache\n"
    assert not run_stage(copy, "build_graph", quiet)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"encoder.epoch": 5}, "unknown key 'epoch'; did you mean 'epochs'"),
        ({"encoders.epochs": 5}, "unknown key 'encoders'"),
        ({"encoder.epochs": "many"}, "epochs: expected int, got str 'many'"),
        ({"encoder.epochs.first": 5}, "override 'encoder.epochs.first': 'epochs' is 3, not a block"),
        ({"encoder": 5}, "expected a block of keys, got int 5"),
        ({"encode.batch_size": 0}, "params.yaml with the overrides: encode.batch_size must be from 1"),
        ({"encoder.epochs": 5, "": 1}, "unknown key ''"),
    ],
)
def test_an_override_that_is_refused_leaves_nothing(workspace, overrides, words):
    with pytest.raises(ConfigError, match=words):
        open_experiment(workspace.folder, "run-1", overrides)
    assert not (workspace.folder / PLACE).exists()


def test_values_keep_their_type_and_blocks_come_into_being(workspace):
    overrides = {
        "lander.published.weight_decay": 1e-05,  # a text for readers of YAML 1.1, unless written with a point
        "encoder.path": "no",
        "encoder.pixel_mean": (1.5, 2.5),
        "gate.max_drop": None,
    }
    params = load_params(open_experiment(workspace.folder, "run-1", overrides) / "params.yaml")
    assert params.lander.published.weight_decay == 1e-05
    assert params.encoder.path == "no"
    assert params.encoder.pixel_mean == (1.5, 2.5)
    assert params.gate.max_drop is None


def test_a_block_given_as_such_leaves_its_other_parameters_as_they_are(workspace):
    before = load_params(workspace.folder / "params.yaml")
    overrides = {"encoder": {"batch_size": 7}, "lander": {"published": {"weight_decay": 0.5}}}
    params = load_params(open_experiment(workspace.folder, "run-1", overrides) / "params.yaml")
    assert params.encoder == replace(before.encoder, batch_size=7)
    assert before.encoder.epochs == 3
    assert params.lander.published.weight_decay == 0.5


def test_without_git_or_without_a_commit_the_error_says_what_is_asked_for(workspace):
    words = r"an experiment runs in a copy of the workspace's last commit, but `git [\w-]+` failed: ."
    (workspace.folder / ".git/refs/heads/main").unlink()
    with pytest.raises(ExperimentError, match=words):
        open_experiment(workspace.folder, "run-1", {"encoder.epochs": 5})
    (workspace.folder / ".git/HEAD").unlink()
    with pytest.raises(ExperimentError, match=words):
        open_experiment(workspace.folder, "run-1", {"encoder.epochs": 5})
    assert not (workspace.folder / PLACE / "run-1").exists()


def test_an_experiment_on_data_that_are_not_on_record_is_refused(workspace):
    copy = open_experiment(workspace.folder, "run-1", {"encoder.epochs": 5})
    check_data_recorded(workspace.folder, copy, [])
    with pytest.raises(ExperimentError, match=r"the data differ from data\.dvc; record them first: dvc add"):
        check_data_recorded(workspace.folder, copy, ["data.dvc"])
    check_data_recorded(workspace.folder, copy, ["more.dvc"])  # which nothing reads
    workspace.write("mine.npy", "1")
    copy = open_experiment(workspace.folder, "run-2", {"data.path": "mine.npy"})
    with pytest.raises(ExperimentError, match=r"the data in mine\.npy are tracked by neither; record them first"):
        check_data_recorded(workspace.folder, copy, [])


def test_data_that_only_a_stage_of_the_users_own_reads_must_be_on_record_too(workspace):
    workspace.add_stage("deduplicate", "cp more distinct", deps="[more]", outs="[distinct]")
    workspace.write("params.yaml", workspace.read("params.yaml") + "data: {path: distinct}\n")
    workspace.write("dvc.yaml", workspace.read("dvc.yaml").partition("vars:")[0])
    workspace.run("git", "commit", "-qam", "another stage")
    copy = open_experiment(workspace.folder, "run-1", {"encoder.epochs": 5})
    with pytest.raises(ExperimentError, match=r"the data differ from more\.dvc; record them first: dvc add more"):
        check_data_recorded(workspace.folder, copy, ["more.dvc"])
    check_data_recorded(workspace.folder, copy, ["data.dvc"])
