"""The folder that an encoder is kept in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hilander.model_folder import read_model_folder, write_model_folder

FORMAT = "hilander-encoder/1"
_CARD = """\
# hilander encoder: {name}

Maps images to L2-normalised embeddings of width {embedding_size}, whose cosine similarity tells classes apart.

```python
from hilander.encoder import load_encoder

encoder = load_encoder("path/of/this/folder")
embeddings = encoder.encode(images)  # (n, {embedding_size}) float32
```

| file | what |
|---|---|
| `config.json` | kind, settings, SHA-256 digest of every file of weights (checked when loading) |
{weights}
Settings: {settings}
"""


def write_encoder_folder(
    folder: str | Path,
    name: str,
    embedding_size: int,
    settings: dict[str, Any],
    write_weights: Callable[[Path], None],
) -> None:
    """Write settings and weights so that `folder` is either the old one or the whole new one."""
    config = {"name": name, "embedding_size": embedding_size, "settings": settings}

    def card(files: list[str]) -> str:
        return _CARD.format(
            name=name,
            embedding_size=embedding_size,
            weights="".join(f"| `{file}` | weights |\n" for file in files),
            settings=", ".join(f"{key} {value}" for key, value in settings.items()) or "none",
        )

    write_model_folder(folder, FORMAT, config, write_weights, card)


def read_encoder_folder(folder: str | Path) -> dict[str, Any]:
    """Return the config of an encoder's folder; see `hilander.model_folder.read_model_folder` for what it raises."""
    return read_model_folder(folder, FORMAT, {"name", "embedding_size", "settings"})
