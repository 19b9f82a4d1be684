import io
import os
import pickle

import numpy as np
import pytest
from PIL import Image

from hilander.data import DataError, Dataset, Images, import_dataset, read_dataset, write_dataset
from hilander.data.images import as_shown

EMBEDDINGS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = ["cat", "cat", "dog", "dog", "emu", "emu"]
SPLITS = ["train"] * 4 + ["test"] * 2


def png(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), grey).save(buffer, "PNG")
    return buffer.getvalue()


def embeddings() -> Dataset:
    return Dataset([f"item{i}" for i in range(6)], LABELS, SPLITS, embeddings=EMBEDDINGS)


def images() -> Dataset:
    ids = np.array([f"item{i}" for i in range(6)])
    return Dataset(ids, LABELS, SPLITS, images=Images([png(i) for i in range(6)], ids))


def assert_equal(read: Dataset, expected: Dataset) -> None:
    for name in ("ids", "labels", "splits", "embeddings"):
        np.testing.assert_array_equal(getattr(read, name), getattr(expected, name))
    if expected.images is not None:
        assert [read.images.read_bytes(i) for i in range(len(read))] == [
            expected.images.read_bytes(i) for i in range(len(expected))
        ]


@pytest.mark.parametrize(
    ("dataset", "name"), [(embeddings(), "a.parquet"), (images(), "a.parquet"), (embeddings(), "a.npz")], ids=str
)
def test_what_is_written_is_read_back_from_the_file_and_from_its_folder(tmp_path, dataset, name):
    write_dataset(dataset, tmp_path / "data" / name)
    assert_equal(read_dataset(tmp_path / "data" / name), dataset)
    assert_equal(read_dataset(tmp_path / "data"), dataset)


def test_image_folders_name_class_and_split(tmp_path):
    for i, (label, split) in enumerate(zip(LABELS, SPLITS, strict=True)):
        path = tmp_path / "all" / split / label / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(i))
    (tmp_path / "all" / "README.md").write_text("not an image")
    (tmp_path / "all" / ".hidden.png").write_bytes(b"")
    whole = read_dataset(tmp_path / "all")
    assert whole.ids.tolist()[0] == "test/emu/4.png"
    assert dict(zip(whole.labels, whole.splits, strict=True)) == {"cat": "train", "dog": "train", "emu": "test"}
    one_split = read_dataset(tmp_path / "all" / "train")
    assert (one_split.labels.tolist(), one_split.splits) == (["cat", "cat", "dog", "dog"], None)
    one_class = read_dataset(tmp_path / "all" / "train" / "cat")
    assert (len(one_class), one_class.labels) == (2, None)
    (tmp_path / "all" / "stray.png").write_bytes(png(0))
    with pytest.raises(DataError, match="one depth"):
        read_dataset(tmp_path / "all")


def test_pictures_of_a_kind_that_is_not_read_are_counted_never_passed_over_in_silence(tmp_path, caplog):
    for name in ("a.heic", "b.HEIC", "c.svg"):
        (tmp_path / name).write_bytes(b"?")
    with pytest.raises(DataError, match=r"found 2 \.heic, 1 \.svg alone; convert these"):
        read_dataset(tmp_path)
    picture = Image.open(io.BytesIO(png(0)))
    for name in ("d.jfif", "e.avif", "f.png"):
        picture.save(tmp_path / name, {"jfif": "JPEG"}.get(name[2:], name[2:]))
    dataset = read_dataset(tmp_path)
    assert dataset.ids.tolist() == ["d.jfif", "e.avif", "f.png"]
    assert [image.size for image in dataset.images] == 3 * [picture.size]
    assert "left out 2 .heic, 1 .svg" in caplog.text


def test_npy_takes_the_labels_beside_it_and_stays_on_disk(tmp_path):
    np.save(tmp_path / "mine.npy", EMBEDDINGS)
    assert read_dataset(tmp_path / "mine.npy").labels is None
    np.save(tmp_path / "labels.npy", np.arange(6))
    assert read_dataset(tmp_path).labels.tolist() == list("012345")
    np.save(tmp_path / "mine_labels.npy", np.array(LABELS))
    dataset = read_dataset(tmp_path)
    assert dataset.labels.tolist() == LABELS
    assert isinstance(dataset.embeddings, np.memmap)


def test_one_file_per_split(tmp_path):
    for name, rows in (("train", slice(0, 4)), ("test", slice(4, 6))):
        np.save(tmp_path / f"{name}.npy", EMBEDDINGS[rows])
        np.save(tmp_path / f"{name}_labels.npy", np.array(LABELS[rows]))
    dataset = read_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.split("train").embeddings, EMBEDDINGS[:4])
    assert dataset.split("test").labels.tolist() == ["emu", "emu"]


def test_files_side_by_side_need_no_labels(tmp_path):
    for name, rows in (("one", slice(0, 4)), ("two", slice(4, 6))):
        np.save(tmp_path / f"{name}.npy", EMBEDDINGS[rows])
    dataset = read_dataset(tmp_path)
    assert dataset.labels is None
    assert dataset.ids.tolist() == ["one/0", "one/1", "one/2", "one/3", "two/0", "two/1"]
    np.testing.assert_array_equal(dataset.embeddings, EMBEDDINGS)


def test_numbered_classes_of_two_files_are_not_the_same_classes(tmp_path):
    # Files of the face benchmarks each count their people from zero; read as one, test and train seemed to share them.
    np.savez(tmp_path / "a.npz", one=EMBEDDINGS[:3], one_labels=[0, 0, 1], two=EMBEDDINGS[3:], two_labels=[0, 1, 1])
    assert read_dataset(tmp_path / "a.npz").classes.tolist() == ["one/0", "one/1", "two/0", "two/1"]


def test_learn_to_cluster_infers_the_width(tmp_path):
    for folder in ("features", "labels"):
        (tmp_path / folder).mkdir()
    EMBEDDINGS.tofile(tmp_path / "features" / "part0.bin")
    (tmp_path / "labels" / "part0.meta").write_text("3\n3\n1\n1\n4\n4\n")
    dataset = read_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.embeddings, EMBEDDINGS)
    assert dataset.labels.tolist() == list("331144")
    (tmp_path / "labels" / "part0.meta").write_text("3\n3\n1\n1\n4\n")
    with pytest.raises(DataError, match="no whole number of float32 for each of the 5 labels"):
        read_dataset(tmp_path)


def test_import_brings_any_format_into_the_pipeline(tmp_path):
    np.save(tmp_path / "mine.npy", EMBEDDINGS)
    import_dataset(tmp_path / "mine.npy", tmp_path / "data" / "mine.parquet")
    np.testing.assert_array_equal(read_dataset(tmp_path / "data").embeddings, EMBEDDINGS)


def test_a_failed_import_leaves_the_old_file(tmp_path):
    write_dataset(embeddings(), tmp_path / "out.parquet")
    broken = images()
    broken.images._sources[3] = tmp_path / "gone.png"
    with pytest.raises(DataError, match="item3 cannot be read"):
        write_dataset(broken, tmp_path / "out.parquet")
    assert_equal(read_dataset(tmp_path), embeddings())


def test_what_cannot_be_read_says_why(tmp_path):
    with pytest.raises(DataError, match="found no such file or folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="found nothing of the kind"):
        read_dataset(tmp_path)
    with pytest.raises(DataError, match="unknown format 'csv'"):
        read_dataset(tmp_path, "csv")
    np.save(tmp_path / "a.npy", EMBEDDINGS)
    write_dataset(embeddings(), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="parquet, npy side by side"):
        read_dataset(tmp_path)
    assert len(read_dataset(tmp_path, "npy")) == 6
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="cannot tell the format"):
        read_dataset(tmp_path / "a.txt")
    with pytest.raises(DataError, match=r"images; write \.parquet"):
        write_dataset(images(), tmp_path / "a.npz")
    with pytest.raises(DataError, match="expected the suffix"):
        write_dataset(images(), tmp_path / "a.csv")


@pytest.mark.parametrize(("mode", "words"), [("I", "32-bit"), ("F", "floating-point"), ("LAB", "CIE")])
def test_an_image_that_does_not_say_what_is_white_is_refused_by_name(tmp_path, mode, words):
    Image.new(mode, (8, 8)).save(tmp_path / "odd.tiff")
    with pytest.raises(DataError, match=f"image odd.tiff: {words}"):
        read_dataset(tmp_path).images[0]


def test_a_single_number_is_no_dataset(tmp_path):
    np.save(tmp_path / "number.npy", np.float64(3))
    with pytest.raises(DataError, match=r"number\.npy: expected embeddings of shape \(n, d\), got a single number"):
        read_dataset(tmp_path / "number.npy")


@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_images_beside_another_format_are_refused_and_unknown_files_ignored(tmp_path, suffix):
    write_dataset(embeddings(), tmp_path / f"a.{suffix}")
    for name in ("README.md", "notes.txt", ".DS_Store", f".cut-short.{suffix}"):
        (tmp_path / name).write_text("no data")
    assert len(read_dataset(tmp_path)) == 6
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(png(1))
    with pytest.raises(DataError, match=f"{suffix}, image_folder side by side; keep one of them, or name the format"):
        read_dataset(tmp_path)
    assert len(read_dataset(tmp_path, suffix)) == 6
    assert len(read_dataset(tmp_path, "image_folder")) == 1


def test_two_files_for_one_split_are_refused(tmp_path):
    for name in ("train.pkl", "train.pickle"):
        (tmp_path / name).write_bytes(pickle.dumps([EMBEDDINGS, LABELS]))
    with pytest.raises(DataError, match=r"train\.pickle and .*train\.pkl for the split 'train'"):
        read_dataset(tmp_path)


def test_a_path_that_is_not_utf8_is_shown(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(png(1))
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    with pytest.raises(DataError, match=r"expected paths in UTF-8, got b'caf\\xe9\.png'; rename it"):
        read_dataset(tmp_path)


def test_metadata_that_cannot_be_read_turn_no_image(tmp_path):
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    picture.save(tmp_path / "odd.png", exif=b"Exif\x00\x00garbagegarbage")
    shown = as_shown(read_dataset(tmp_path).images[0])
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(picture))


def test_links_back_to_a_folder_above_end_nothing(tmp_path):
    np.save(tmp_path / "mine.npy", EMBEDDINGS)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "back").symlink_to(tmp_path)
    assert len(read_dataset(tmp_path)) == len(EMBEDDINGS)
    (tmp_path / "mine.npy").unlink()
    (tmp_path / "one" / "a.png").write_bytes(png(0))
    assert len(read_dataset(tmp_path)) == 1


def test_a_file_that_is_no_image_is_told_in_words(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.png is damaged or cut short \(10 bytes: of no known format\)"):
        read_dataset(tmp_path).images[0]


def test_a_damaged_file_that_confuses_its_decoder_is_named(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    offsets_are_text = content.replace(b"\x11\x01\x04\x00", b"\x11\x01\x02\x00")  # where Pillow looks for numbers
    assert offsets_are_text != content
    (tmp_path / "a.tif").write_bytes(offsets_are_text)
    with pytest.raises(DataError, match=r"a\.tif is damaged or cut short"):
        read_dataset(tmp_path).images[0]


def test_an_image_of_more_pixels_than_are_read_is_not_called_damaged(tmp_path):
    Image.new("1", (15_000, 15_000)).save(tmp_path / "scan.png")
    with pytest.raises(DataError, match=r"^image scan\.png has more pixels than the 178,956,970 that are read; save"):
        read_dataset(tmp_path).images[0]
