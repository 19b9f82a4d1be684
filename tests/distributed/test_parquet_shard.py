import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hilander.distributed.parquet_shard import parquet_shape, read_parquet_rows


class CountedFile(io.BytesIO):
    n_bytes = 0

    def read(self, size=-1):
        content = super().read(size)
        self.n_bytes += len(content)
        return content


def test_a_large_row_group_is_read_no_further_than_what_is_asked_for():
    rows = np.random.default_rng(0).normal(size=(40_000, 128)).astype(np.float32)
    file = io.BytesIO()
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 128)
    pq.write_table(pa.table({"embedding": lists}), file, row_group_size=len(rows))
    for read in (
        lambda file: parquet_shape(file, "a"),
        lambda file: read_parquet_rows(file, "a", 1000, 2000, 0),
    ):
        counted = CountedFile(file.getvalue())
        read(counted)
        assert counted.n_bytes < rows.nbytes / 3
    np.testing.assert_array_equal(read_parquet_rows(file, "a", 1000, 2000, 0), rows[1000:2000])
