"""The command line as a process: help, what is printed and where, interruptions, messages."""

import logging
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from hilander.cli import app
from tests.cli.conftest import run

COMMANDS = ("demo", "train", "cluster", "assign", "self-train", "evaluate", "import-data", "report", "drift")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"hilander {command}" in result.output


def test_help_is_there_before_the_library_is_imported():
    code = "import sys; from hilander.cli import app; sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_told():
    assert run("--version").output == f"hilander {metadata.version('hilander')}\n"


def test_the_installed_command_runs():
    command = Path(sys.executable).with_name("hilander")
    run = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert all(name in run.stdout for name in COMMANDS)


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


def test_a_command_runs_where_its_messages_are_closed(files):
    command = [sys.executable, "-c", "from hilander.cli import app; app()", "cluster", "others.npy", "-o", "c.csv"]
    subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], check=True, stdout=subprocess.DEVNULL)
    assert len(pd.read_csv("c.csv")) == len(np.load("others.npy"))


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
