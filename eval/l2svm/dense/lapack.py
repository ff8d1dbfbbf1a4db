"""BLAS and LAPACK without the interpreter's lock: SciPy's own functions, called through their addresses.

`scipy.linalg.lapack` holds the lock while it computes, so that threads would wait for one another.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_INT, _POINTER = ctypes.c_int, ctypes.c_void_p


@cache
def _function(name: str, arguments: int) -> Any:
    """A Fortran function of SciPy's `cython_blas` or `cython_lapack`, all of whose arguments are addresses."""
    from scipy.linalg import cython_blas, cython_lapack

    table = cython_lapack.__pyx_capi__ if name in cython_lapack.__pyx_capi__ else cython_blas.__pyx_capi__
    capsule = table[name]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    return ctypes.CFUNCTYPE(None, *[_POINTER] * arguments)(address)


def _letter(matrix: Array) -> str:
    return "s" if matrix.dtype == np.float32 else "d"


def _integer(value: int) -> Any:
    return ctypes.byref(_INT(value))


def cholesky(matrix: Array) -> bool:
    """Replace the lower triangle of a symmetric (n, n) matrix, in C order, by its factor L; False where there is none.

    What stands above the diagonal is neither read nor written.
    """
    info, size = _INT(0), _integer(len(matrix))
    # In Fortran's order the lower triangle is the upper one.
    function = _function(_letter(matrix) + "potrf", 5)
    function(ctypes.byref(ctypes.c_char(b"U")), size, matrix.ctypes.data, size, ctypes.byref(info))
    return info.value == 0


def cholesky_solve(factor: Array, right: Array) -> None:
    """Replace `right`, (n,) or (k, n) in C order, by the solution of L L' x = right for each row."""
    info, size = _INT(0), _integer(len(factor))
    columns = _integer(1 if right.ndim == 1 else len(right))
    upper = ctypes.byref(ctypes.c_char(b"U"))
    function = _function(_letter(factor) + "potrs", 8)
    function(upper, size, columns, factor.ctypes.data, size, right.ctypes.data, size, ctypes.byref(info))


def add_square(total: Array, rows: Array, sign: float) -> None:
    """Add sign * rows' rows to the lower triangle of `total` (d, d), in place. rows : (m, d), both in C order."""
    if not len(rows):
        return
    scalar = ctypes.c_float if total.dtype == np.float32 else ctypes.c_double
    count, size = _integer(len(rows)), _integer(len(total))
    upper, plain = ctypes.byref(ctypes.c_char(b"U")), ctypes.byref(ctypes.c_char(b"N"))
    function = _function(_letter(total) + "syrk", 10)
    factor, one = ctypes.byref(scalar(sign)), ctypes.byref(scalar(1.0))
    function(upper, plain, size, count, factor, rows.ctypes.data, size, one, total.ctypes.data, size)
