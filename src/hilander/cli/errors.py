"""Errors of the library as one sentence and exit code 1, without a stack trace."""

from __future__ import annotations

import errno
import logging
import sys
from typing import Any

import typer
from typer.core import TyperGroup

INTERRUPTED = 130  # exit code, as of any command that Ctrl-C ends


class Application(typer.Typer):
    """The command line as a process runs it: what comes before a command, or goes wrong with printing, is told too."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Build the commands and run the one that is asked for."""
        try:
            return super().__call__(*args, **kwargs)
        except KeyboardInterrupt:  # as the commands are built; Typer answers it once one runs
            sys.exit(INTERRUPTED)
        except OSError as error:  # help and version are printed outside of `SentenceGroup.invoke`
            _say(error)
            sys.exit(1)


class SentenceGroup(TyperGroup):
    """Commands whose bad input ends in a sentence; ``--verbose`` shows where it came from as well."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, turning what the library raises on bad input into its message."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever reads what is printed has gone; Click ends the command without a word
            raise
        except (ValueError, TypeError, OSError, ImportError) as error:
            logging.getLogger(__name__).info("", exc_info=error)
            _say(error)
            raise typer.Exit(1) from error


def _say(error: Exception) -> None:
    typer.secho(f"Error: {_sentence(error)}", err=True, fg=typer.colors.RED)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None and not _can_print():
        return f"what this command prints could not be written ({error.strerror}); make room, or print to another place"
    return str(error)


def _can_print() -> bool:
    """Whether more can be printed: an error in printing does not say that it was one."""
    try:
        print(flush=True)
    except OSError:
        return False
    return True
