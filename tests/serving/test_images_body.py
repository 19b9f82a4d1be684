"""Images as people send them: names, zips of other systems, pictures that no embedding can be made of."""

import io
import struct
import time
import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from hilander.data import Images
from hilander.encoder.images import prepare_image
from hilander.serving.app import make_app
from hilander.serving.bodies import File
from hilander.serving.configuration import Limits
from hilander.serving.images_body import LimitedImages, read_images
from hilander.serving.refusals import Refusal

ZIP = {"Content-Type": "application/zip"}


def as_files(pictures):
    return [("images", picture) for picture in pictures]


def zipped(entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def encoded(image, form):
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["a.png", "a.png#2", "a.png"], ["a.png", "a.png#2", "a.png#3"]),
        (["a.png", "a.png", "a.png#2"], ["a.png", "a.png#2", "a.png#2#2"]),
        (["a.png", "a.png", "a.png"], ["a.png", "a.png#2", "a.png#3"]),
    ],
)
def test_ids_are_distinct_even_where_a_name_looks_like_one_of_a_double(client, make, names, ids):
    answer = client.post("/encode", files=as_files((name, make.png()) for name in names))
    assert answer.json()["ids"] == ids


def test_what_macos_puts_beside_the_files_of_a_zip_is_passed_over(client, make):
    litter = {"__MACOSX/._a.png": b"x", "__MACOSX/in/._b.png": b"x", ".DS_Store": b"x", "in/.DS_Store": b"x"}
    body = zipped({**litter, "a.png": make.png(), "in/b.png": make.png(), "in/c.DS_Store.png": make.png()})
    answer = client.post("/encode", content=body, headers=ZIP)
    assert answer.status_code == 200, answer.text  # seven files would also be more than five images
    assert answer.json()["ids"] == ["a.png", "in/b.png", "in/c.DS_Store.png"]
    assert client.post("/encode", content=zipped(litter), headers=ZIP).status_code == 422


def test_a_colon_in_a_name_is_no_drive(client, make):
    body = zipped({"12:30.png": make.png(), "in/C:x.png": make.png()})
    assert client.post("/encode", content=body, headers=ZIP).json()["ids"] == ["12:30.png", "in/C:x.png"]
    for name in ("C:x.png", "c:\\x.png", "z:/x.png"):
        answer = client.post("/encode", content=zipped({name: make.png()}), headers=ZIP)
        assert "leads out of its folder" in answer.json()["error"]


EXOTIC = encoded(Image.new("LAB", (20, 20)), "TIFF")
BLANK = encoded(Image.new("L", (20, 20), 255), "PNG")


def netpbm(head, picture):
    return head + b"\n" + picture.tobytes()


BAR = np.full((20, 20), 255, np.uint8)
BAR[2:18, 3:7] = 0


@pytest.mark.parametrize(
    "content",
    [
        netpbm(b"P4 20 20", np.packbits(BAR == 0, axis=1)),
        netpbm(b"P5\n# by hand\n20 20\n255", BAR),
        netpbm(b"P5 20 20 65535", BAR.astype(">u2") * 257),
        netpbm(b"P6 20 20 255", np.repeat(BAR[..., None], 3, axis=2)),
    ],
)
def test_netpbm_is_read_as_the_library_reads_it(client, make, content):
    same = client.post("/encode", files=as_files([("a", make.png()), ("b", content)])).json()["embeddings"]
    assert same[0] == same[1]
    library = Images([make.png(), content], np.array(["a", "b"]))
    assert np.array_equal(*(prepare_image(image, 20) for image in library))


@pytest.mark.parametrize(
    "content",
    [
        b"P2 20 20 255\n" + b"#\n" * 50_000 + b"1 " * 400,
        b"P5 " + b" " * 2_000_000 + b"20 20 255\n" + bytes(400),
        b"P6 1000 1000 254\n" + bytes(3_000_000),
        b"PyRGBA " + b" " * 2_000_000 + b"20 20 255\n" + bytes(1600),
    ],
)
def test_netpbm_that_would_be_read_in_python_is_refused_at_once(content):
    started = time.process_time()
    with pytest.raises(Refusal, match=r"file 'slow' is no image of .*, nor binary PBM, PGM or PPM of 8 bits"):
        LimitedImages([File("slow", content)], 10_000_000)[0]
    assert time.process_time() - started < 0.2  # reading it takes half a second and more


def test_avif_is_read_as_the_library_reads_it(client, make):
    content = encoded(Image.open(io.BytesIO(make.png())), "AVIF")
    answer = client.post("/encode", files=as_files([("a", content)])).json()["embeddings"]
    same_pixels = client.post("/encode", files=as_files([("a", encoded(Image.open(io.BytesIO(content)), "PNG"))]))
    np.testing.assert_allclose(answer, same_pixels.json()["embeddings"], atol=1e-5)


def test_netpbm_of_too_many_pixels_is_refused_before_it_is_decoded(client):
    answer = client.post(
        "/encode", content=b"P5 100000 100000 255\n", headers={"Content-Type": "image/x-portable-graymap"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/encode", "/cluster_images"])
@pytest.mark.parametrize(("picture", "words"), [(EXOTIC, "save it in grey or RGB"), (BLANK, "leave it out")])
def test_an_image_that_no_embedding_can_be_made_of_is_named(client, make, path, picture, words):
    answer = client.post(path, files=as_files([("good.png", make.png()), ("bad one", picture)]))
    assert answer.status_code == 422
    assert "image 'bad one'" in answer.json()["error"]
    assert words in answer.json()["error"]


def test_a_task_names_the_image_that_no_embedding_can_be_made_of(client, make):
    files = as_files([("good.png", make.png()), ("bad one", BLANK)])
    links = client.post("/cluster_images/submit", files=files).json()["links"]
    deadline = time.monotonic() + 180
    while (task := client.get(links["status"]).json())["status"] == "in_progress":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert task["status"] == "failed"
    assert "image 'bad one'" in task["error"]


def test_a_task_is_not_made_of_an_image_whose_colours_cannot_be_read(client, make):
    answer = client.post("/cluster_images/submit", files=as_files([("good.png", make.png()), ("bad one", EXOTIC)]))
    assert answer.status_code == 422
    assert "image 'bad one'" in answer.json()["error"]


def test_images_that_nobody_waits_for_keep_nobody_waiting(tmp_path, make, monkeypatch):
    make.release(tmp_path / "models")
    limits = {"max_seconds": 0.3, "max_images": 100, "max_image_pixels": 25_000_000}
    monkeypatch.setenv("HILANDER_SERVING_CONFIG", str(make.configuration(tmp_path, limits=limits)))
    decode, decoded = LimitedImages.__getitem__, []

    def count(images, i):
        image = decode(images, i)
        decoded.append(i)
        return image

    monkeypatch.setattr(LimitedImages, "__getitem__", count)
    files = as_files([(f"{i}.png", make.png((4000, 4000))) for i in range(60)])  # all of them take seconds
    with TestClient(make_app(), headers={"Authorization": f"Bearer {make.token}"}) as client:
        assert client.post("/encode", files=files).status_code in (413, 429)
        lane = client.app.state.serving.lane
        deadline = time.monotonic() + 60
        while lane.taken:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert len(decoded) < len(files)


def test_a_zip_that_lists_millions_of_entries_is_refused_before_they_are_read(client):
    entry = struct.pack("<4s6H3I5H2Is", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, b"a")
    listing = entry * 200_000
    content = b"PK\x03\x04" + listing + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, len(listing), 4, 0)
    started = time.process_time()
    with pytest.raises(Refusal, match=r"at most 10,000 images, got 200,000 entries in one") as refused:
        read_images(bytearray(content), "application/zip", Limits())
    assert refused.value.status == 413
    assert time.process_time() - started < 0.5  # reading them takes seconds
