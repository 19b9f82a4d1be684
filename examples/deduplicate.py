"""A stage of one's own: the data without items that came before. See docs/orchestration.md."""

import sys
from hashlib import sha256

from hilander.data import read_dataset, write_dataset

source, target = sys.argv[1:]
dataset = read_dataset(source)
first = {}
for row in range(len(dataset)):
    content = dataset.images.read_bytes(row) if dataset.images is not None else dataset.embeddings[row].tobytes()
    first.setdefault(sha256(content).digest(), row)
write_dataset(dataset.subset(list(first.values())), target)
print(f"{len(first):,} of {len(dataset):,} items are distinct")
