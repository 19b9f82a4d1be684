"""A matrix from the bytes of a ``.npy`` file, whose header is checked before anything is believed."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hilander.serving.refusals import invalid

NPY_MAGIC = b"\x93NUMPY"


def read_npy(
    body: bytearray | bytes, *, name: str, form: str, kinds: str, check_shape: Callable[[tuple[int, ...]], None]
) -> NDArray:
    """Return the matrix, a view of the bytes.

    Parameters
    ----------
    body : bytes
    name : str
        What the matrix is, for sentences.
    form : str
        Its shape in words, likewise.
    kinds : str
        Kinds of dtype that will do, as ``"fiu"``.
    check_shape : callable
        Refuses a shape, before memory is taken for it.

    Raises
    ------
    Refusal
        It is damaged or holds something else.
    """
    file = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran_order, dtype = read_header[version](file)
        if not all(type(length) is int and length >= 0 for length in shape):  # NumPy lets True and -1 pass
            raise ValueError(f"{shape} is no shape")
    except Exception as error:  # the header is a Python literal, and a hostile one can fail in any way
        raise invalid("the .npy file has a broken header; write it with numpy.save") from error
    if dtype.hasobject or dtype.kind not in kinds:
        wanted = "numbers" if "f" in kinds else "integers"
        raise invalid(f"the .npy file of {name} must hold {wanted}, got dtype {dtype}; convert and save it anew")
    if len(shape) != 2:
        raise invalid(f"{name} must have shape {form}, got {shape}; one row for each")
    check_shape(shape)
    expected, n_bytes = shape[0] * shape[1] * dtype.itemsize, len(body) - file.tell()
    if n_bytes != expected:
        raise invalid(
            f"the .npy file is cut short or too long: {shape} of {dtype} takes {expected:,} bytes, got {n_bytes:,}; "
            "send it again"
        )
    flat = np.frombuffer(body, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran_order else "C")
