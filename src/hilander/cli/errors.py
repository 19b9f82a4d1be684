"""Errors of the library as one sentence and exit code 1, without a stack trace."""

from __future__ import annotations

import logging
from typing import Any

import typer
from typer.core import TyperGroup


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
            typer.secho(f"Error: {error}", err=True, fg=typer.colors.RED)
            raise typer.Exit(1) from error
