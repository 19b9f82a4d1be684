"""A stage of one's own: embeddings without the items whose vector came before. See docs/orchestration.md."""

import sys
from pathlib import Path

import numpy as np

source, target = map(Path, sys.argv[1:])
for split in ("train", "test"):
    embeddings = np.load(source / split / "embeddings.npy")
    first = np.sort(np.unique(embeddings, axis=0, return_index=True)[1])
    (target / split).mkdir(parents=True, exist_ok=True)
    np.save(target / split / "embeddings.npy", embeddings[first])
    print(f"{split}: {len(first):,} of {len(embeddings):,} items are distinct")
