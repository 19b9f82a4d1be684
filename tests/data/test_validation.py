import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hilander.config import ValidateParams
from hilander.data import DataError, Dataset, Images
from hilander.data.item_table import is_near_empty
from hilander.data.validation import validate_dataset

N = 40  # 10 classes of 4 items, 5 classes per split
PARAMS = ValidateParams(min_classes=5, min_items_per_class=3.5)
IDS = np.array([f"item{i}" for i in range(N)])
LABELS = np.array([f"class{i // 4}" for i in range(N)])
SPLITS = np.repeat(["train", "test"], N // 2)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def noise(seed: int) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 256, size=(16, 16), dtype=np.uint8))


def images(content: dict[int, bytes] | None = None) -> Dataset:
    sources = [noise(i) for i in range(N)]
    for i, replaced in (content or {}).items():
        sources[i] = replaced
    return Dataset(IDS, LABELS, SPLITS, images=Images(sources, IDS))


def embeddings() -> Dataset:
    return Dataset(IDS, LABELS, SPLITS, embeddings=np.random.default_rng(0).normal(size=(N, 8)))


def with_values(dataset: Dataset, field: str, values: dict[int, str]) -> Dataset:
    changed = getattr(dataset, field).astype(object)
    changed[list(values)] = list(values.values())
    return replace(dataset, **{field: changed})


def test_good_data_pass_and_leave_data_docs(tmp_path):
    for dataset in (images(), embeddings()):
        report = validate_dataset(dataset, PARAMS, tmp_path / "docs")
        report.raise_for_failures()
        assert report.success
        assert report.counts["splits"]["train"] == {"n_items": 20, "n_classes": 5, "items_per_class": 4}
    assert (tmp_path / "docs" / "index.html").is_file()
    assert len(list((tmp_path / "docs" / "validations").rglob("*.html"))) == 2


BLANK = png(np.full((16, 16), 255, dtype=np.uint8))
NAN, ZERO = embeddings().embeddings.copy(), embeddings().embeddings.copy()
NAN[[3, 7], 2] = np.nan, np.inf
ZERO[5] = 0


@pytest.mark.parametrize(
    ("dataset", "sentences"),
    [
        (with_values(images(), "ids", {2: "item1"}), ["ids given more than once: item1"]),
        (with_values(images(), "labels", {4: None, 9: None}), ["items without a label: item4, item9"]),
        (
            replace(images(), labels=None),
            ["without a label: item0, item1, item2, item3, item4, … (40 in all)", "min_classes"],
        ),
        (images({6: noise(6)[:60]}), ["images that cannot be read, damaged or cut short: item6"]),
        (images({30: noise(2)}), ["items whose content is in two splits: item2, item30"]),
        (images({1: noise(0), 2: noise(0), 3: noise(0)}), ["max_duplicate_share): item1, item2, item3"]),
        (images({8: BLANK}), ["near-empty images", "max_near_empty_share): item8"]),
        (with_values(embeddings(), "splits", {0: "test"}), ["classes with items in two splits: class0\n"]),
        (replace(embeddings(), embeddings=NAN), ["vectors with NaN or inf: item3, item7"]),
        (replace(embeddings(), embeddings=ZERO), ["zero vectors: item5"]),
        (embeddings().subset(slice(0, 24)), ["splits with fewer classes than 5", "min_classes): test"]),
        (embeddings().subset(slice(3, N)), ["fewer items per class on average than 3.5", "): train"]),
    ],
)
def test_each_fault_is_told_with_the_rows(dataset, sentences, tmp_path):
    with pytest.raises(DataError) as error:
        validate_dataset(dataset, PARAMS, tmp_path / "docs").raise_for_failures()
    for sentence in sentences:
        assert sentence in str(error.value)
    assert str(error.value).count("\n- ") == 1 + ("min_classes" in sentences)


def test_some_duplicates_and_near_empty_images_may_be_allowed_and_are_counted(tmp_path):
    (tmp_path / "stale.html").touch()
    dataset = images({1: noise(0), 2: noise(0), 20: BLANK})
    allowed = replace(PARAMS, max_duplicate_share=2 / N, max_near_empty_share=1 / N)
    report = validate_dataset(dataset, allowed, tmp_path)
    assert report.failures == ()
    assert (report.counts["items"], report.counts["duplicates"], report.counts["near_empty"]) == (N, 2, 1)
    assert report.counts["expectations"] == 7 + 2
    assert not (tmp_path / "stale.html").exists()
    fewer = replace(allowed, max_duplicate_share=0.049, max_near_empty_share=0.0)
    assert validate_dataset(dataset, fewer, tmp_path).failures == (
        "duplicates of an earlier item, more than a share of 0.049 (params.yaml, validate: max_duplicate_share): "
        "item1, item2",
        "near-empty images: item20",
    )


def test_a_share_is_passed_by_more_than_itself_however_it_is_rounded(tmp_path):
    values = np.random.default_rng(0).normal(size=(N, 8))
    values[0:15], values[20:35] = values[0], values[20]  # 28 of 40 came before: .7
    dataset = replace(embeddings(), embeddings=values)
    assert validate_dataset(dataset, replace(PARAMS, max_duplicate_share=0.7), tmp_path).success
    assert not validate_dataset(dataset, replace(PARAMS, max_duplicate_share=0.699), tmp_path).success


def test_counts_of_uneven_splits_are_rounded_to_what_is_shown(tmp_path):
    report = validate_dataset(embeddings().subset(slice(0, 33)), PARAMS, tmp_path)
    train, test = report.counts["splits"]["train"], report.counts["splits"]["test"]
    assert train == {"n_items": 20, "n_classes": 5, "items_per_class": 4}
    assert test == {"n_items": 13, "n_classes": 4, "items_per_class": 3.25}
    assert (report.counts["near_empty"], report.counts["duplicates"]) == (0, 0)


def test_data_without_splits_or_items_are_refused(tmp_path):
    with pytest.raises(DataError, match="expected a split for each item"):
        validate_dataset(replace(embeddings(), splits=None), PARAMS, tmp_path)
    with pytest.raises(DataError, match="at least one item"):
        validate_dataset(embeddings().subset([]), PARAMS, tmp_path)


@pytest.mark.parametrize(("ink", "expected"), [(0, True), (1, True), (2, False)])
def test_near_empty_counts_pixels_that_stand_out(ink, expected):
    pixels = np.full((16, 16), 200, dtype=np.uint8)
    pixels[0, :ink] = 20  # 1 of 256 pixels is a share of 0.004
    assert is_near_empty(Image.fromarray(pixels)) == expected


def test_a_colour_as_bright_as_its_ground_stands_out():
    image = Image.new("RGB", (32, 32), (255, 255, 255))
    image.paste((255, 255, 60), (8, 8, 24, 24))
    assert np.ptp(np.asarray(image.convert("L")).astype(int)) < 32
    assert not is_near_empty(image)
