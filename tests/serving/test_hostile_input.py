"""Whatever comes in, the answer is a 4xx with one sentence that says what to do."""

import io
import json
import pickle
import re
import stat
import struct
import zipfile
import zlib

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSON, NPY, BINARY, ZIP = "application/json", "application/x-npy", "application/octet-stream", "application/zip"


def npy(array, **changes):
    file = io.BytesIO()
    np.save(file, array, **changes)
    return file.getvalue()


def npy_header(shape, descr="<f4"):
    """A file that promises far more than it holds."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def parquet(table):
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def arrow(compression=None, **columns):
    table = pa.table(columns)
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return file.getvalue()


def arrow_of_compressed_dictionary():
    """A stream whose dictionary alone is compressed, to a thousandth: head and dictionary of one, batch of another."""
    columns = {
        "kind": pa.DictionaryArray.from_arrays([0, 0], pa.array(["x" * 100_000])),
        "embedding": [[1.0] * 8, [0.0, 1.0] * 4],
    }
    compressed, plain = ([*messages_of(arrow(compression, **columns))] for compression in ("zstd", None))
    return b"".join([*compressed[:2], *plain[2:]])


def messages_of(stream):
    source = pa.BufferReader(stream)
    for _ in range(3):
        start = source.tell()
        pa.ipc.read_message(source)
        yield stream[start : source.tell()]


def arrow_file_of_one_batch_of_two():
    file = io.BytesIO()
    table = pa.table({"embedding": [[1.0] * 8] * 2})
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, 1)
    source = pa.BufferReader(file.getvalue())
    source.seek(8)
    for _ in range(2):
        pa.ipc.read_message(source)
    return file.getvalue()[: source.tell()]


def arrow_of_an_unknown_head():
    """A head of a type that Arrow does not know, and so does not check: its table points out of the body."""
    stream = bytearray(arrow(embedding=[[1.0] * 8]))
    message = 8 + struct.unpack_from("<I", stream, 8)[0]
    fields = message - struct.unpack_from("<i", stream, message)[0]
    kind, head = (message + offset for offset in struct.unpack_from("<HH", stream, fields + 6))
    stream[kind] = 99
    struct.pack_into("<i", stream, head + struct.unpack_from("<I", stream, head)[0], 2**31 - 1)
    return bytes(stream)


def packed(*entries, **changes):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content, **changes)
    return file.getvalue()


def link():
    entry = zipfile.ZipInfo("passwords")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return packed((entry, "/etc/passwd"))


def png_bomb(side=60_000):
    """A header of 3.6 gigapixels, and hardly any."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00" * 99))


def rows(value):
    return json.dumps({"embeddings": value})


EMBEDDINGS = {
    "empty body": (JSON, "", 422, "empty"),
    "not JSON": (JSON, "{", 422, "valid JSON"),
    "NaN": (JSON, rows([[float("nan")] * 8]), 422, "NaN"),
    "infinity beyond 1e308": (JSON, '{"embeddings": [[1e999, 1, 1, 1, 1, 1, 1, 1]]}', 422, "inf"),
    "huge integer": (JSON, rows([[10**400] * 8]), 422, "64 bits"),
    "integer of 5000 digits": (JSON, '{"embeddings": [[' + "9" * 5000 + "]]}", 422, "valid JSON"),
    "deep nesting": (JSON, "[" * 30_000, 422, "valid JSON"),
    "not an object": (JSON, "[[1, 2]]", 422, '"embeddings"'),
    "no embeddings": (JSON, "{}", 422, '"embeddings"'),
    "null": (JSON, rows(None), 422, "list"),
    "no rows": (JSON, rows([]), 422, "at least one row"),
    "no columns": (JSON, rows([[], []]), 422, "column"),
    "ragged": (JSON, rows([[1.0] * 8, [1.0] * 7]), 422, "one width"),
    "flat": (JSON, rows([1.0, 2.0]), 422, "list"),
    "cubic": (JSON, rows([[[1.0]]]), 422, "numbers"),
    "strings": (JSON, rows([["1.0"] * 8]), 422, "numbers"),
    "booleans": (JSON, rows([[True] * 8]), 422, "numbers"),
    "nulls": (JSON, rows([[None] * 8]), 422, "null"),
    "zero vector": (JSON, rows([[0.0] * 8]), 422, "zero vectors"),
    "not UTF-8": (JSON, b'{"embeddings": "\xff"}', 422, "valid JSON"),
    "too many rows": (JSON, rows([[1] * 8] * 301), 413, "300 rows"),
    "too wide": (JSON, rows([[1] * 17]), 413, "16 wide"),
    "long JSON": (JSON, " " * 60_001, 413, ".npy"),
    "unknown option": (JSON, '{"embeddings": [[1,1,1,1,1,1,1,1]], "number": 3}', 422, "unknown option 'number'"),
    "other type": ("text/csv", "1,2,3", 415, "Content-Type"),
    "no type": ("", "1,2,3", 415, "Content-Type"),
    "BentoML's pickles": ("application/vnd.bentoml+pickle", pickle.dumps([1]), 415, "Content-Type"),
    "pickle": (BINARY, pickle.dumps(np.ones((2, 8))), 415, "pickle"),
    "pickle within .npy": (NPY, npy(np.array([[{}]]), allow_pickle=True), 422, "dtype object"),
    "strings within .npy": (NPY, npy(np.array([["a"]])), 422, "dtype"),
    "complex within .npy": (NPY, npy(np.ones((2, 8), complex)), 422, "dtype"),
    "records within .npy": (NPY, npy(np.zeros(3, [("x", "f4")])), 422, "dtype"),
    "NaN within .npy": (NPY, npy(np.full((2, 8), np.nan)), 422, "NaN"),
    "infinity within .npy": (NPY, npy(np.full((2, 8), np.inf)), 422, "inf"),
    "zeros within .npy": (NPY, npy(np.zeros((2, 8))), 422, "zero vectors"),
    "flat .npy": (NPY, npy(np.ones(8)), 422, "(n, d)"),
    "no rows within .npy": (NPY, npy(np.ones((0, 8))), 422, "at least 1 row"),
    "no columns within .npy": (NPY, npy(np.ones((3, 0))), 422, "column"),
    "truncated .npy": (NPY, npy(np.ones((20, 8)))[:-3], 422, "cut short"),
    "prolonged .npy": (NPY, npy(np.ones((20, 8))) + b"x", 422, "too long"),
    "a million rows": (NPY, npy_header((10**6, 8)), 413, "300 rows"),
    "a trillion rows": (NPY, npy_header((10**12, 10**12)), 413, "300 rows"),
    "negative shape": (NPY, npy_header((-1, 8)), 422, "broken header"),
    "shape of a positive product": (NPY, npy_header((-1, -8)) + bytes(32), 422, "broken header"),
    "shape of a truth value": (NPY, npy_header((True, 8)) + bytes(32), 422, "broken header"),
    "hostile header": (NPY, b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000, 422, "broken header"),
    "half a header": (NPY, b"\x93NUMPY\x01", 422, "broken header"),
    "nothing known": (BINARY, b"\x00" * 100, 415, ".npy"),
    "too many bytes": (NPY, b"\x93NUMPY" + b"\x00" * 200_001, 413, "200,000 bytes"),
    "truncated Parquet": (BINARY, parquet(pa.table({"embedding": [[1.0] * 8]}))[:-9], 422, "Parquet"),
    "broken Parquet": (BINARY, b"PAR1" + b"\xff" * 50 + b"PAR1", 422, "Parquet"),
    "Parquet of other columns": (BINARY, parquet(pa.table({"x": [1]})), 422, "'embedding'"),
    "Parquet of strings": (BINARY, parquet(pa.table({"embedding": ["a"]})), 422, "'embedding'"),
    "ragged Parquet": (BINARY, parquet(pa.table({"embedding": [[1.0], [1.0, 2.0], []]})), 422, "one width"),
    "null in Parquet": (BINARY, parquet(pa.table({"embedding": [[1.0], None]})), 422, "one width"),
    "no rows in Parquet": (BINARY, parquet(pa.table({"embedding": pa.array([], pa.list_(pa.float32()))})), 422, "row"),
    "Parquet bomb": (BINARY, parquet(pa.table({"embedding": [[1.0] * 16] * 10_000})), 413, "300 rows"),
    "wide Parquet bomb": (BINARY, parquet(pa.table({"embedding": [[1.0] * 600_000]})), 413, "bytes"),
    "Parquet of endless names": (BINARY, parquet(pa.table({"x" * 9_000: [1]})), 422, "'embedding'"),
    "Parquet of an endless type": (
        BINARY,
        parquet(pa.table({"embedding": [{f"field {i}": 1 for i in range(200)}]})),
        422,
        "'embedding'",
    ),
    "compressed Arrow": (BINARY, arrow("zstd", embedding=[[1.0] * 8] * 100), 422, "compressed"),
    "compressed dictionary in Arrow": (
        BINARY,
        arrow_of_compressed_dictionary(),
        422,
        "compressed",
    ),
    "Arrow of encoded embeddings": (
        BINARY,
        arrow(embedding=pa.DictionaryArray.from_arrays([0, 0], pa.array([[1.0] * 8]))),
        422,
        "'embedding'",
    ),
    "Arrow of encoded numbers": (
        BINARY,
        arrow(embedding=pa.ListArray.from_arrays([0, 8, 16], pa.array([1.0] * 16).dictionary_encode())),
        422,
        "'embedding'",
    ),
    "Arrow without its schema": (
        BINARY,
        b"".join([*messages_of(arrow(kind=pa.array(["a"]).dictionary_encode(), embedding=[[1.0] * 8]))][1:]),
        422,
        "must begin with its schema",
    ),
    "Arrow of an unknown head": (BINARY, arrow_of_an_unknown_head(), 422, "must begin with its schema"),
    "Arrow of nothing": (BINARY, b"\xff\xff\xff\xff" + bytes(4), 422, "Arrow"),
    "Arrow file of nothing": (BINARY, b"ARROW1", 422, "Arrow"),
    "Arrow file cut between batches": (BINARY, arrow_file_of_one_batch_of_two(), 422, "cut short"),
    "broken Arrow": (BINARY, b"\xff\xff\xff\xff" + b"\x07" * 60, 422, "Arrow"),
    "form without file": ("multipart/form-data; boundary=x", b"--x--\r\n", 422, "one file"),
    "form without boundary": ("multipart/form-data", b"--x--\r\n", 422, "boundary"),
    "half a form": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form", 422, "form"),
}
IMAGES = {
    "empty body": ("image/png", b"", 422, "empty"),
    "no image": ("image/png", b"GIF89a", 422, "no image"),
    "text": ("image/png", b"hello", 422, "no image"),
    "pixel bomb": ("image/png", png_bomb(), 413, "10,000 pixels"),
    "large but honest": ("image/png", png_bomb(101), 413, "10,000 pixels"),
    "PostScript": ("image/eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 422, "no image"),
    "broken zip": (ZIP, b"PK\x03\x04" + b"\x00" * 40, 422, "zip"),
    "empty zip": (ZIP, packed(), 422, "at least one image"),
    "path traversal": (ZIP, packed(("../../etc/cron.d/x", b"x")), 422, "leads out"),
    "absolute path": (ZIP, packed(("/etc/passwd", b"x")), 422, "leads out"),
    "Windows path": (ZIP, packed(("..\\..\\x", b"x")), 422, "leads out"),
    "drive": (ZIP, packed(("C:x.png", b"x")), 422, "leads out"),
    "symbolic link": (ZIP, link(), 422, "link"),
    "zip bomb": (ZIP, packed(("a.png", b"\x00" * 10_000_000)), 413, "unpack"),
    "zip in zip": (ZIP, packed(("a.zip", packed(("a.png", b"x")))), 422, "no image"),
    "too many files": (ZIP, packed(*((f"{i}.png", b"x") for i in range(6))), 413, "5 images"),
    "other type": ("text/plain", b"x", 415, "Content-Type"),
}


def is_one_sentence(answer):
    error = answer.json()["error"]
    return isinstance(error, str) and "\n" not in error and "Traceback" not in error and 10 < len(error) < 500


HOSTILE = [
    pytest.param(path, *case, id=f"{path} {name}")
    for paths, cases in (
        (("/cluster", "/cluster/submit", "/assign"), EMBEDDINGS),
        (("/encode", "/cluster_images"), IMAGES),
    )
    for name, case in cases.items()
    for path in paths
]


@pytest.mark.parametrize(("path", "media_type", "body", "status", "words"), HOSTILE)
def test_hostile_bodies_are_refused_with_a_remedy(client, path, media_type, body, status, words):
    answer = client.post(path, content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert is_one_sentence(answer)


@pytest.mark.parametrize(
    ("zips", "words"),
    [
        ([packed((f"{i}.png", b"\x00" * 150_000)) for i in range(3)], "unpack"),
        ([packed((f"{i}a.png", b"x"), (f"{i}b.png", b"x")) for i in range(3)], "5 images"),
    ],
)
def test_all_zips_of_a_form_together_are_bounded(client, zips, words):
    files = [("images", (f"{i}.zip", content, ZIP)) for i, content in enumerate(zips)]
    answer = client.post("/encode", files=files)
    assert answer.status_code == 413
    assert words in answer.json()["error"]


def test_the_refusal_of_another_media_type_names_all_that_are_read(client):
    error = client.post("/cluster", content=b"1,2,3", headers={"Content-Type": "text/csv"}).json()["error"]
    named = re.findall(r"[\w.-]+/[\w.-]+", error.partition("; got")[0])
    assert {JSON, NPY, "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"} <= set(named)


@pytest.mark.parametrize(("path", "n_bytes_lost"), [("/encode", 3), ("/encode", 30), ("/cluster", 3), ("/cluster", 30)])
def test_a_form_that_is_cut_short_is_refused_and_not_answered_in_part(client, make, path, n_bytes_lost):
    """Its last part is what is lost: an image, or the constraints of rows that came whole."""
    images = [("images", ("0.png", make.png())), ("images", ("1.png", make.png(ink=5)))]
    constrained = [("file", ("rows.npy", make.npy(make.blobs(30)))), ("cannot_link", ("pairs", b"[[0, 1]]"))]
    request = httpx.Request("POST", "http://localhost", files=images if path == "/encode" else constrained)
    headers, body = {"Content-Type": request.headers["Content-Type"]}, request.read()

    assert client.post(path, content=body, headers=headers).status_code == 200
    answer = client.post(path, content=body[: -len("\r\n") - n_bytes_lost], headers=headers)
    assert answer.status_code == 422
    assert "not whole" in answer.json()["error"]


def test_a_truncated_image_is_named(client, make):
    files = [("images", ("good.png", make.png())), ("images", ("bad.png", make.png()[:-30]))]
    answer = client.post("/encode", files=files)
    assert answer.status_code == 422
    assert "'bad.png'" in answer.json()["error"]


def test_assign_asks_for_the_catalogues_width(client):
    answer = client.post("/assign", json={"embeddings": [[1.0] * 7]})
    assert answer.status_code == 422
    assert "(n, 8)" in answer.json()["error"]


@pytest.mark.parametrize("threshold", ["2", "-0.1", "nan", "x", ""])
def test_granularity_out_of_range_is_refused(client, make, threshold):
    answer = client.post(
        f"/cluster?linkage_threshold={threshold}", content=make.npy(make.blobs(3)), headers={"Content-Type": NPY}
    )
    assert answer.status_code == 422
    assert "[0, 1]" in answer.json()["error"]


def test_a_compressed_body_is_refused(client):
    headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    assert client.post("/cluster", content=zlib.compress(b"0" * 10**6), headers=headers).status_code == 415


@pytest.mark.parametrize("path", ["/cluster", "/livez"])
def test_a_media_type_beyond_ascii_gets_a_whole_answer(client, path):
    answer = client.post(path, content=b"{}", headers={"Content-Type": b"application/json; charset=\xff"})
    assert answer.status_code == 415
    assert "ASCII" in answer.json()["error"]


def test_a_body_that_is_said_not_to_be_compressed_is_read(client, make):
    headers = {"Content-Type": NPY, "Content-Encoding": "Identity"}
    assert client.post("/cluster", content=make.npy(make.blobs(3)), headers=headers).status_code == 200


SEEDS = [npy(np.ones((3, 8))), parquet(pa.table({"embedding": [[1.0] * 8] * 3})), packed(("a", b"x")), png_bomb(50)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/cluster", "/assign", "/encode"]),
    media_type=st.sampled_from([JSON, BINARY, ZIP, "image/png", "multipart/form-data; boundary=x"]),
    seed=st.sampled_from(SEEDS),
    cuts=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=8)), max_size=4),
    tail=st.binary(max_size=20),
)
def test_any_bytes_get_an_answer_below_500(client, path, media_type, seed, cuts, tail):
    body = bytearray(seed)
    for position, bytes_ in cuts:
        body[position : position + len(bytes_)] = bytes_
    answer = client.post(path, content=bytes(body + tail), headers={"Content-Type": media_type})
    assert answer.status_code < 500, answer.text
