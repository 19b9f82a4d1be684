"""Which characters are classes of the built-in dataset: found by looking at their clean drawings, not by a list."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

DRAWING_SIZE = 64
_FONT_SIZE = 96
_FILL = 52  # pixels of the drawing that the longer side of a glyph takes
REFERENCE_FACE = "DejaVuSans"
_FACES = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
)
_ROWS_PER_BLOCK = 1024
_LOOK_ALIKE = 0.42  # two blurred drawings that nowhere differ by more than this share of full ink are one shape


@dataclass(frozen=True)
class GlyphClass:
    """A visually distinct character, with every clean drawing of it.

    Parameters
    ----------
    characters : str
        The character and its homoglyphs, by code point; the first names the class.
    script : str
        Script of the first character, as its Unicode name begins: LATIN, GREEK, ….
    drawings : (m, 64, 64) float32
        Ink 0..1, one per character and face; shapes that another class shares are left out.
    """

    characters: str
    script: str
    drawings: NDArray[np.float32]

    @property
    def name(self) -> str:
        """The Unicode name of the first character."""
        return unicodedata.name(self.characters[0])


def script_of(character: str) -> str:
    """Return the script of a letter, as its Unicode name begins; the empty string where it is no letter.

    Examples
    --------
    >>> script_of("ж"), script_of("+")
    ('CYRILLIC', '')
    """
    is_letter = unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lo")
    return unicodedata.name(character, "").partition(" ")[0] if is_letter else ""


def glyph_classes(most: Mapping[str, int], rng: np.random.Generator) -> list[GlyphClass]:
    """Make one class of each distinct shape among the letters of the scripts in `most`, and draw it in every face.

    Characters that look alike in the reference face become one class (A, Α and А). Of scripts with more classes than
    `most` allows, some are drawn by lot. A drawing that looks like one of another class (т in italics is m) is dropped
    from both.
    """
    faces = load_faces()
    font, covered = faces[REFERENCE_FACE]
    letters = [chr(c) for c in sorted(covered) if script_of(chr(c)) in most and _is_simple(chr(c))]
    chosen = _lots(merge_homoglyphs(letters, font), most, rng)
    drawn = [
        [draw(c, font) for c in characters for font, covered in faces.values() if ord(c) in covered]
        for characters in chosen
    ]
    return _without_shared_shapes(
        [
            GlyphClass(characters, script_of(characters[0]), np.stack([d for d in drawings if d is not None]))
            for characters, drawings in zip(chosen, drawn, strict=True)
        ]
    )


def merge_homoglyphs(characters: Iterable[str], font: ImageFont.FreeTypeFont) -> list[str]:
    """Return the characters of each distinct shape in `font`, in the order given; blank ones are left out."""
    drawings = {character: drawing for character in characters if (drawing := draw(character, font)) is not None}
    characters, n = list(drawings), len(drawings)
    first, second = look_alikes(np.stack(list(drawings.values())))
    shape = connected_components(coo_array((np.ones(len(first)), (first, second)), shape=(n, n)), directed=False)[1]
    merged: dict[int, str] = {}
    for character, i in zip(characters, shape.tolist(), strict=True):
        merged[i] = merged.get(i, "") + character
    return list(merged.values())


def _lots(shapes: list[str], most: Mapping[str, int], rng: np.random.Generator) -> list[str]:
    """Return at most so many shapes of each script, a shape belonging to the script of its first character."""
    chosen: list[str] = []
    for script in sorted(most):
        own = [shape for shape in shapes if script_of(shape[0]) == script]
        kept = np.sort(rng.permutation(len(own))[: most[script]])
        chosen += [own[i] for i in kept]
    return chosen


def draw(character: str, font: ImageFont.FreeTypeFont) -> NDArray[np.float32] | None:
    """Draw one character, scaled so that its longer side has one length and centred; None where there is no ink."""
    canvas = Image.new("L", (3 * _FONT_SIZE, 3 * _FONT_SIZE))
    ImageDraw.Draw(canvas).text((_FONT_SIZE, _FONT_SIZE // 2), character, fill=255, font=font)
    box = canvas.getbbox()
    if box is None:
        return None
    width, height = box[2] - box[0], box[3] - box[1]
    scale = _FILL / max(width, height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    glyph = canvas.crop(box).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    drawing = Image.new("L", (DRAWING_SIZE, DRAWING_SIZE))
    drawing.paste(glyph, ((DRAWING_SIZE - size[0]) // 2, (DRAWING_SIZE - size[1]) // 2))
    return np.asarray(drawing, dtype=np.float32) / np.float32(255)


def look_alikes(drawings: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs (i < j) of drawings (m, 64, 64) that, blurred a little, nowhere differ much."""
    blurred = gaussian_filter(drawings, sigma=(0, 2, 2))[:, ::2, ::2].reshape(len(drawings), -1)
    blurred /= blurred.max(axis=1, keepdims=True)  # thin strokes lose more ink to the blur
    unit = blurred / np.linalg.norm(blurred, axis=1, keepdims=True)
    firsts, seconds = [], []
    for start in range(0, len(drawings), _ROWS_PER_BLOCK):
        block = slice(start, start + _ROWS_PER_BLOCK)
        i, j = np.nonzero(unit[block] @ unit[start:].T > 0.9)  # the quick test, before the sharp one
        i, j = i[i < j] + start, j[i < j] + start
        same = np.array([np.abs(blurred[a] - blurred[b]).max() < _LOOK_ALIKE for a, b in zip(i, j, strict=True)], bool)
        firsts.append(i[same])
        seconds.append(j[same])
    return np.concatenate(firsts), np.concatenate(seconds)


def _without_shared_shapes(classes: list[GlyphClass]) -> list[GlyphClass]:
    owner = np.repeat(np.arange(len(classes)), [len(c.drawings) for c in classes])
    first, second = look_alikes(np.concatenate([c.drawings for c in classes]))
    other = owner[first] != owner[second]
    shared = np.zeros(len(owner), dtype=bool)
    shared[first[other]] = shared[second[other]] = True
    kept = [replace(c, drawings=c.drawings[~shared[owner == i]]) for i, c in enumerate(classes)]
    return [c for c in kept if len(c.drawings)]


def _is_simple(character: str) -> bool:
    """Leave out presentation forms, ligatures and letters with two marks: too fine for small, worn images."""
    return len(unicodedata.normalize("NFKD", character)) <= 2 and "LIGATURE" not in unicodedata.name(character)


def load_faces() -> dict[str, tuple[ImageFont.FreeTypeFont, set[int]]]:
    """Return each face that Matplotlib ships, with the code points that it covers."""
    try:
        import matplotlib
        from matplotlib.ft2font import FT2Font
    except ImportError as error:
        raise ImportError("glyphs are drawn with Matplotlib's fonts: pip install 'hilander[report]'") from error
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = {name: str(folder / f"{name}.ttf") for name in _FACES}
    return {
        name: (
            ImageFont.truetype(file, _FONT_SIZE, layout_engine=ImageFont.Layout.BASIC),
            set(FT2Font(file).get_charmap()),
        )
        for name, file in files.items()
    }
