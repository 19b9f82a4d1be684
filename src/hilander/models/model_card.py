"""The README of a model folder: what the model is, what it was trained on, how to use it."""

from __future__ import annotations

from typing import Any

_CARD = """\
# hilander model ({variant})

Clusters embeddings of classes that it has never seen; the number of clusters is not given.

```python
from hilander import HiLander

clusterer = HiLander.load("path/to/this/folder").fit(embeddings)  # (n, {width}) array
clusterer.labels_
```

| | |
|---|---|
{rows}

{origin}
`config.json` holds every setting and the SHA-256 of `model.safetensors`; neither file can run code.
"""


def write_card(config: dict[str, Any]) -> str:
    """Return the card's Markdown for a model folder's configuration."""
    settings, trained_on = config["settings"], config["provenance"].get("trained_on", {})
    rows = {
        "variant": config["variant"],
        "trained on": ", ".join(f"{value:,} {name}" for name, value in trained_on.items()) or "not recorded",
        "neighbours per node (k)": settings["n_neighbors"],
        "linkage threshold (p_τ)": settings["linkage_threshold"],
        "decode": settings["decode"],
        "most levels (L)": settings["max_levels"],
    }
    width = config["n_features"]
    return _CARD.format(
        variant=config["variant"],
        width="any width" if width is None else width,
        rows="\n".join(f"| {name} | {value} |" for name, value in rows.items()),
        origin="Any embeddings will do; best are those of the encoder that made the training embeddings."
        if width is None
        else f"Embeddings must come from the encoder that made the training embeddings, {width} columns wide.",
    )
