"""The built-in dataset: worn letters, their scripts disjoint between training and test.

``python -m hilander.data.glyphs FOLDER`` draws it.
One class per visually distinct letter, its images drawn in the many faces that Matplotlib ships (DejaVu, STIX), class
sizes long-tailed. The same versions of Pillow, Matplotlib, NumPy and SciPy give the same file, bit for bit.
"""

from __future__ import annotations

import argparse
import io
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from hilander.atomic_write import atomic_file
from hilander.data.glyph_classes import GlyphClass, glyph_classes
from hilander.data.glyph_wear import wear

logger = logging.getLogger(__name__)

FILE_NAME = "glyphs.parquet"
# Most classes taken of each script.
TRAIN_SCRIPTS = {"LATIN": 380, "CANADIAN": 150, "TIFINAGH": 50, "HEBREW": 50}
TEST_SCRIPTS = {"GREEK": 100, "CYRILLIC": 110, "ARMENIAN": 70, "GEORGIAN": 70, "LAO": 40}
SMALLEST_CLASS, LARGEST_CLASS, TAIL = 4, 60, 0.25  # power law of class sizes: P(size > s) ~ s^-TAIL, cut at both ends


def write_glyphs(
    folder: str | Path,
    seed: int = 0,
    show_progress: bool = False,
    *,
    train_scripts: Mapping[str, int] = TRAIN_SCRIPTS,
    test_scripts: Mapping[str, int] = TEST_SCRIPTS,
) -> Path:
    """Draw the built-in dataset and write ``glyphs.parquet`` into `folder`, atomically.

    `train_scripts` and `test_scripts` say which scripts stand in either split, and how many classes at most.

    Columns: `id`, `image` (32×32 grey PNG), `label` (Unicode name), `script`, `split` and `codepoint`.

    Raises
    ------
    ImportError
        Matplotlib, whose fonts are drawn, is not installed.
    """
    rng = np.random.default_rng(seed)
    classes = glyph_classes({**train_scripts, **test_scripts}, rng)
    rows = [
        _row(glyph, i, seed, "train" if glyph.script in train_scripts else "test")
        for glyph, size in zip(tqdm(classes, disable=not show_progress), class_sizes(len(classes), rng), strict=True)
        for i in range(size)
    ]
    path = Path(folder) / FILE_NAME
    table = pa.Table.from_pylist(rows, _SCHEMA).take(rng.permutation(len(rows)))
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    logger.info("wrote %d images of %d classes to %s", len(rows), len(classes), path)
    return path


def class_sizes(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `n` class sizes from the power law, cut off at its smallest and largest size."""
    low, high = SMALLEST_CLASS**-TAIL, (LARGEST_CLASS + 1) ** -TAIL
    return np.floor(rng.uniform(high, low, size=n) ** (-1 / TAIL)).astype(np.int64)


_NAMES = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", _NAMES),
        ("script", _NAMES),
        ("split", _NAMES),
        ("codepoint", pa.int32()),
    ]
)


def _row(glyph: GlyphClass, i: int, seed: int, split: str) -> dict:
    codepoint = ord(glyph.characters[0])
    rng = np.random.default_rng([seed, codepoint, i])  # an image does not change with the number of others
    buffer = io.BytesIO()
    Image.fromarray(wear(rng.choice(glyph.drawings), rng)).save(buffer, "PNG", optimize=True)
    name = f"U+{codepoint:04X}_{i:02d}"
    return {
        "id": name,
        "image": {"bytes": buffer.getvalue(), "path": f"{name}.png"},
        "label": glyph.name,
        "script": glyph.script,
        "split": split,
        "codepoint": codepoint,
    }


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description="Draw the built-in glyph dataset.")
    parser.add_argument("folder", type=Path, help=f"where {FILE_NAME} is written")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write_glyphs(arguments.folder, arguments.seed, show_progress=True)


if __name__ == "__main__":
    main()
