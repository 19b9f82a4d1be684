"""Names of the rows that a clustering in parts reads."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hilander.data.dataset import as_names, row_ids
from hilander.data.errors import DataError, some
from hilander.distributed.source import Source, open_shard


def read_ids(source: Source) -> NDArray[np.str_]:
    """Return the column `id` of Parquet shards that have one, else row numbers, (n,).

    Raises
    ------
    DataError
        Some shards have that column and others do not.
    """
    shards = list(dict.fromkeys(piece.shard for piece in source.pieces))
    found, bare = [], []
    for shard in shards:
        if not shard.endswith(".parquet"):
            return row_ids(source.n_rows)
        with open_shard(shard) as file:
            parquet = pq.ParquetFile(file)
            if "id" in parquet.schema_arrow.names:
                ids = parquet.read(columns=["id"]).column("id").to_numpy()
                found.append(as_names(ids, f"ids in {shard}", len(ids)))
            else:
                bare.append(shard)
    if found and bare:
        raise DataError(f"either every shard has a column `id` or none has; none came with {some(bare)}")
    return np.concatenate(found) if found else row_ids(source.n_rows)
