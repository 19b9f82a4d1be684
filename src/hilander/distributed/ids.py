"""Names of the rows that a clustering in parts reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hilander.data.dataset import row_ids
from hilander.data.errors import DataError, some
from hilander.data.parquet_columns import to_names
from hilander.distributed.source import Source, open_shard


def read_ids(source: Source) -> NDArray[np.str_]:
    """Return the column `id` of Parquet shards that have one, else row numbers, (n,).

    Raises
    ------
    DataError
        Some shards have that column and others do not, or it holds neither names nor numbers.
    """
    shards = list(dict.fromkeys(piece.shard for piece in source.pieces))
    found, bare = [], []
    for shard in shards:
        if not shard.endswith(".parquet"):
            return row_ids(source.n_rows)
        with open_shard(shard) as file:
            parquet = pq.ParquetFile(file)
            if "id" in parquet.schema_arrow.names:
                found.append(to_names(parquet.read(columns=["id"]).column("id"), "id", Path(shard)))
            else:
                bare.append(shard)
    if found and bare:
        raise DataError(f"either every shard has a column `id` or none has; none came with {some(bare)}")
    return np.concatenate(found) if found else row_ids(source.n_rows)
