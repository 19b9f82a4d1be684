"""Names of the rows that a clustering in parts reads."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hilander.data.dataset import as_names, row_ids
from hilander.distributed.source import Source, open_shard


def read_ids(source: Source) -> NDArray[np.str_]:
    """Return the column `id` of Parquet shards that have one, else row numbers, (n,)."""
    shards = list(dict.fromkeys(piece.shard for piece in source.pieces))
    found = []
    for shard in shards:
        if not shard.endswith(".parquet"):
            return row_ids(source.n_rows)
        with open_shard(shard) as file:
            parquet = pq.ParquetFile(file)
            if "id" not in parquet.schema_arrow.names:
                return row_ids(source.n_rows)
            ids = parquet.read(columns=["id"]).column("id").to_numpy()
            found.append(as_names(ids, f"ids in {shard}", len(ids)))
    return np.concatenate(found)
