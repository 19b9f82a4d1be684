import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilander.serving.arrow_body import read_parquet
from hilander.serving.configuration import Limits
from hilander.serving.parquet_footer import read_chunk_sizes
from hilander.serving.refusals import Refusal


def written(table, **options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def embeddings(n=50, width=4):
    return pa.array(np.arange(n * width, dtype=np.float32).reshape(n, width).tolist())


FILES = {
    "plain": written(pa.table({"embedding": embeddings()})),
    "many groups": written(pa.table({"embedding": embeddings(), "a.b": pa.array(range(50))}), row_group_size=3),
    "no statistics": written(pa.table({"id": ["é"] * 50, "embedding": embeddings()}), write_statistics=False),
    "nested": written(
        pa.table({"of": [{"x": 1, "y": ["a", None]}] * 9, "embedding": embeddings(9), "when": [None] * 9}),
        compression="zstd",
        write_page_index=True,
    ),
    "many columns": written(pa.table({f"column {i}": [i] for i in range(40)})),
    "no rows": written(pa.table({"embedding": pa.array([], pa.list_(pa.float32()))})),
    "no columns": written(pa.table({})),
}


@pytest.mark.parametrize("name", FILES)
def test_sizes_are_those_that_arrow_reads(name):
    metadata = pq.ParquetFile(io.BytesIO(FILES[name])).metadata
    names = metadata.schema.to_arrow_schema().names
    expected = []
    for group in (metadata.row_group(i) for i in range(metadata.num_row_groups)):
        for chunk in (group.column(j) for j in range(group.num_columns)):
            path = chunk.path_in_schema  # in which a dot may part two names or belong to one
            outermost = next(name for name in names if path == name or path.startswith(f"{name}."))
            expected.append((outermost, chunk.num_values, chunk.total_uncompressed_size))
    assert read_chunk_sizes(FILES[name]) == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (b"", "does not end as"),
        (b"PAR1" + bytes(8), "does not end as"),
        (b"PAR1" + (10**6).to_bytes(4, "little") + b"PAR1", "1,000,000 bytes"),
        (b"PAR1" + b"\x19" + (1).to_bytes(4, "little") + b"PAR1", "ends within"),
        (b"PAR1" + b"\x49\xfc\xff\xff\xff\xff\x0f" + (7).to_bytes(4, "little") + b"PAR1", "ends within"),
        (b"PAR1" + b"\x15\x02\x05\x02\x04\x00" + (6).to_bytes(4, "little") + b"PAR1", "comes twice"),
        (b"PAR1" + b"\x1c" * 90 + (90).to_bytes(4, "little") + b"PAR1", "nested too deeply"),
        (b"PAR1" + b"\x19" * 90 + (90).to_bytes(4, "little") + b"PAR1", "nested too deeply"),
        (b"PAR1" + b"\x1d" + (1).to_bytes(4, "little") + b"PAR1", "unknown type"),
        (b"PAR1" + b"\x15" + b"\xff" * 30 + (31).to_bytes(4, "little") + b"PAR1", "without end"),
    ],
)
def test_damaged_footers_are_said(file, expected):
    with pytest.raises(ValueError, match=expected):
        read_chunk_sizes(file)


def test_no_byte_of_a_footer_can_be_changed_so_that_the_process_ends():
    file = written(pa.table({"embedding": [[1.0] * 8]}))
    footer = int.from_bytes(file[-8:-4], "little")
    for place in range(len(file) - 8 - footer, len(file) - 4):
        for change in (1, 16, 128):  # one of them made Arrow end the process
            changed = bytearray(file)
            changed[place] = (changed[place] + change) % 256
            try:
                read_parquet(changed, Limits())
            except Refusal:
                continue
