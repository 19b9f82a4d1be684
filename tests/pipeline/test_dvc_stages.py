"""The stages of dvc.yaml in the order of the graph, each one as a process whose lines come as they are printed."""

import os
import sys
from pathlib import Path

import pytest

from hilander.pipeline.dvc_stages import StageFailed, outdated_stages, run_dvc, run_stage, stage_names


def test_names_come_in_the_order_of_the_graph_and_a_stage_that_is_added_in_its_place(workspace):
    assert stage_names(workspace.folder) == ["build_graph", "train_lander", "evaluate"]
    workspace.add_stage("deduplicate", "sort -u data > unique", deps="[data]", outs="[unique]")
    text = workspace.read("dvc.yaml")
    workspace.write("dvc.yaml", text.replace('deps: ["${data.path}"]', "deps: [unique]"))
    assert stage_names(workspace.folder) == ["deduplicate", "build_graph", "train_lander", "evaluate"]


def test_a_stage_for_each_item_has_a_name_of_its_own(workspace):
    workspace.add_stage("fold", "{foreach: [a, b], do: {cmd: 'echo ${item}'}}")
    text = workspace.read("dvc.yaml").replace("  fold:\n    cmd: {foreach", "  fold: {foreach")
    workspace.write("dvc.yaml", text)
    assert {"fold@a", "fold@b"} < set(stage_names(workspace.folder))


@pytest.mark.parametrize(
    "text",
    [
        "stages: [",
        "stages: {a: {command: x}}",
        "stages: {a: {cmd: x, deps: [b], outs: [c]}, d: {cmd: x, deps: [c], outs: [b]}}",
        "stages: {a: {cmd: x, deps: ['${nowhere}']}}",
    ],
    ids=["no YAML", "unknown field", "cycle", "unknown variable"],
)
def test_a_broken_pipeline_is_an_error_that_names_the_file(workspace, text):
    workspace.write("dvc.yaml", text)
    with pytest.raises(ValueError, match=r"DVC cannot read .*dvc\.yaml: ."):
        stage_names(workspace.folder)


def test_no_pipeline_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected the pipeline in .*dvc\.yaml"):
        stage_names(tmp_path)


BAR = """\
import sys, time
from tqdm import tqdm
print("before")
for _ in tqdm(range(4), file=sys.stderr, mininterval=0):
    time.sleep(0.01)
print("token = hunter2222")
print("after", flush=True)
"""


def test_lines_come_in_order_without_bars_and_secrets_and_an_unchanged_stage_is_not_run(workspace):
    workspace.write("script.py", BAR)
    workspace.add_stage("bar", "python script.py > out.txt; python script.py", deps="[script.py]", outs="[out.txt]")
    lines, percents = [], []
    assert run_stage(workspace.folder, "bar", lines.append, percents.append)
    own = [line for line in lines if line in ("before", "after") or "token" in line]
    assert own == ["before", "token = •••", "after"]
    assert lines[0] == "Running stage 'bar':"
    assert not any("%" in line for line in lines)
    assert percents == [0, 25, 50, 75, 100] * 2
    assert not run_stage(workspace.folder, "bar", lines.append)
    assert lines[-1] != "after"


def test_what_is_out_of_date_is_what_dvc_would_run(workspace):
    assert outdated_stages(workspace.folder) >= {"build_graph", "train_lander"}
    for name in stage_names(workspace.folder):
        run_stage(workspace.folder, name, lambda line: None)
    assert outdated_stages(workspace.folder).isdisjoint(stage_names(workspace.folder))
    params = workspace.folder / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 3", "epochs: 4"))
    outdated = outdated_stages(workspace.folder)
    assert "train_lander" in outdated
    assert "build_graph" not in outdated


def test_what_is_out_of_date_by_nature_can_be_left_out(workspace):
    workspace.add_stage("looks", "echo looking", deps="[data]", always_changed="true")
    workspace.run("dvc", "repro", "-q")
    assert outdated_stages(workspace.folder) == {"looks"}
    assert outdated_stages(workspace.folder, or_always_run=False) == set()
    workspace.write("params.yaml", workspace.read("params.yaml").replace("epochs: 3", "epochs: 4"))
    assert "train_lander" in outdated_stages(workspace.folder, or_always_run=False)


def test_a_failure_says_what_the_stage_said_last(workspace):
    workspace.add_stage("fails", "echo one; echo the disk is full >&2; exit 3")
    with pytest.raises(StageFailed, match=r"stage 'fails' failed with exit code \d+: the disk is full$"):
        run_stage(workspace.folder, "fails", lambda line: None)


@pytest.mark.parametrize("command", ["python killed.py", "echo start; python killed.py; exit $?"])
def test_a_stage_that_is_killed_is_told_from_one_that_fails(workspace, command):
    workspace.write("killed.py", "import os\nprint('level 0: 600 nodes', flush=True)\nos.kill(os.getpid(), 9)")
    workspace.add_stage("large", command)
    with pytest.raises(StageFailed) as error:
        run_stage(workspace.folder, "large", lambda line: None)
    told, _, last = str(error.value).partition("; it said last: ")
    assert told == "stage 'large' was killed (SIGKILL, as where memory runs out)"
    assert last == "level 0: 600 nodes" or "Killed" in last  # which a shell says where one stands between


@pytest.mark.parametrize("code", [3, 200])
def test_an_exit_code_is_no_signal(workspace, code):
    workspace.add_stage("fails", f"echo no more; exit {code}")
    with pytest.raises(StageFailed, match=r"stage 'fails' failed with exit code \d+: no more$"):
        run_stage(workspace.folder, "fails", lambda line: None)


def test_an_error_of_several_lines_is_told_whole(workspace):
    workspace.write("fails.py", "import sys; sys.exit('fails: the data are bad:\\n- row 7\\nSee the page')")
    workspace.add_stage("fails", "echo starting; python fails.py")
    with pytest.raises(StageFailed) as error:
        run_stage(workspace.folder, "fails", lambda line: None)
    assert str(error.value).endswith(": the data are bad:\n- row 7\nSee the page")


def test_an_error_of_dvc_s_own_is_told_and_not_where_it_offers_help(workspace):
    lock = workspace.folder / ".dvc/tmp/lock"
    lock.unlink(missing_ok=True)
    lock.mkdir(parents=True)
    with pytest.raises(StageFailed, match=r"^dvc repro failed with exit code \d+: ERROR: .*lock'?$"):
        run_dvc(workspace.folder, ["repro"], lambda line: None)


def test_a_dependency_that_is_missing_is_named(workspace):
    (workspace.folder / "data").unlink()
    with pytest.raises(StageFailed, match=r"stage 'build_graph' failed .* No such file or directory: .*/data"):
        run_stage(workspace.folder, "build_graph", lambda line: None)


def test_an_unknown_stage_is_a_failure(workspace):
    with pytest.raises(StageFailed, match=r"stage 'nowhere' failed .*nowhere"):
        run_stage(workspace.folder, "nowhere", lambda line: None)


def test_a_stage_past_its_limit_is_ended_with_all_that_it_started(workspace):
    workspace.add_stage("endless", "(trap '' TERM; sleep 600) & echo begun; sleep 600")
    with pytest.raises(StageFailed, match="stage 'endless' ran longer than its limit of 3 s and was ended"):
        run_stage(workspace.folder, "endless", lambda line: None, time_limit=3)
    workspace.wait_until_empty()


def test_an_error_in_who_listens_leaves_no_process(workspace):
    workspace.add_stage("endless", "echo begun; sleep 600")

    def listen(line):
        if line == "begun":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(workspace.folder, "endless", listen)
    workspace.wait_until_empty()


def test_what_a_stage_leaves_in_the_background_holds_nothing_up(workspace):
    workspace.add_stage("leaves", "sleep 600 & echo done")
    assert run_stage(workspace.folder, "leaves", lambda line: None, time_limit=300)
    workspace.wait_until_empty()


@pytest.mark.parametrize("path", [os.defpath, None], ids=["short", "unset"])
def test_stages_run_with_this_python_whatever_the_path(workspace, monkeypatch, path):
    monkeypatch.delenv("PATH") if path is None else monkeypatch.setenv("PATH", path)
    workspace.add_stage("which", "python -c 'import sys; print(sys.prefix)' && cat")  # and nobody is there to type
    lines = []
    run_stage(workspace.folder, "which", lines.append)
    assert sys.prefix in lines


def test_text_that_is_not_utf_8_stops_nothing(workspace):
    workspace.add_stage("old", r"printf 'caf\351\n'")
    lines = []
    assert run_stage(workspace.folder, "old", lines.append)
    assert "caf�" in lines


def test_a_command_of_dvc_returns_its_lines_and_leaves_no_record(workspace):
    assert run_dvc(workspace.folder, ["root"], lambda line: None) == ["."]
    assert not [path for path in Path(workspace.folder, ".dvc/tmp/hilander").rglob("*") if path.is_file()]
