"""All commands as one application, and the options that they share."""

from __future__ import annotations

import io
import logging
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from hilander.cli.assign import assign
from hilander.cli.cluster import cluster
from hilander.cli.demo import demo
from hilander.cli.drift import drift
from hilander.cli.errors import Application, SentenceGroup
from hilander.cli.evaluate import evaluate
from hilander.cli.import_data import import_data
from hilander.cli.messages import told
from hilander.cli.report import report
from hilander.cli.self_train import self_train
from hilander.cli.train import train
from hilander.openmp import wait_briefly

app = Application(
    cls=SentenceGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Learn from labelled classes how to cluster, then cluster classes never seen.",
    epilog="Start with `hilander demo`, or with your own: `hilander cluster embeddings.npy`.",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hilander {metadata.version('hilander')}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every level and every choice.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")  # a sign that the terminal or pipe lacks shall stop no command
    if sys.stderr is None:  # closed by whoever started the command; a progress bar would fail on it
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 – as long as the process
    wait_briefly()  # before a command imports PyTorch
    context.with_resource(told(logging.INFO if verbose else logging.WARNING))


for command in (demo, train, cluster, assign, self_train, evaluate, import_data, report, drift):
    app.command()(command)
