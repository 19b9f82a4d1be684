"""What a stage reads, and whether that is still there at its end: DVC notes a stage's inputs as they are by then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hilander.config import load_params
from hilander.typed_mapping import read_yaml

PARAMS = Path("params.yaml")


class InputsChanged(ValueError):
    """What a stage has read was changed while it ran; the message names it."""


class Inputs:
    """Parameters of a stage, and its data where the block ``data`` is among them.

    Who edits ``params.yaml`` for the next run while this one goes on would else find it up to date: DVC would note the
    new parameters beside what was made by the old ones.

    Parameters
    ----------
    *blocks : str
        Of ``params.yaml``, those that ``dvc.yaml`` names for the stage.

    Attributes
    ----------
    params : Params
        All of them.

    Raises
    ------
    FileNotFoundError, ConfigError
        As `hilander.config.load_params` raises.
    """

    def __init__(self, *blocks: str) -> None:
        self.params = load_params(PARAMS)
        self._blocks = blocks
        self._before = self._look()

    def check_unchanged(self) -> None:
        """Refuse to go on to the outputs where DVC would take them for those of other inputs.

        Raises
        ------
        InputsChanged
            A block, or a file of the data, is not what it was.
        """
        after = self._look()
        names = sorted(self._before.keys() | after.keys())
        changed = [name for name in names if self._before.get(name) != after.get(name)]
        if changed:
            named = ", ".join(changed[:5]) + (f", … ({len(changed)} in all)" if len(changed) > 5 else "")
            raise InputsChanged(
                f"changed while this stage ran: {named}; DVC would take what it made for that of the new ones, so "
                "nothing of it is kept; run it again"
            )

    def _look(self) -> dict[str, Any]:
        """Each block as it is written, and size and time of change of each file of the data."""
        written = read_yaml(PARAMS)
        found: dict[str, Any] = {f"{PARAMS}: {block}": written.get(block) for block in self._blocks}
        if "data" in self._blocks:
            path = Path(self.params.data.path)
            for file in path.rglob("*") if path.is_dir() else [path]:
                if file.is_file():
                    stat = file.stat()
                    found[str(file)] = stat.st_size, stat.st_mtime_ns
        return found
