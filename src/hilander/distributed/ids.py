"""Names of the rows that a clustering in parts reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.data.dataset import row_ids
from hilander.data.errors import DataError, some
from hilander.distributed.shard_files import open_shard
from hilander.distributed.source import Source


def read_ids(source: Source) -> NDArray[np.str_]:
    """Return the column `id` of Parquet shards that have one, else row numbers, (n,).

    Raises
    ------
    DataError
        Some shards have that column and others do not, or it holds neither names nor numbers.
    """
    from hilander.distributed.parquet_shard import parquet_ids

    shards = list(dict.fromkeys(piece.shard for piece in source.pieces))
    found, bare = [], []
    for shard in shards:
        if not shard.endswith(".parquet"):
            return row_ids(source.n_rows)
        with open_shard(shard) as file:
            ids = parquet_ids(file, shard)
        if ids is None:
            bare.append(shard)
        else:
            found.append(ids)
    if found and bare:
        raise DataError(f"either every shard has a column `id` or none has; none came with {some(bare)}")
    return np.concatenate(found) if found else row_ids(source.n_rows)
