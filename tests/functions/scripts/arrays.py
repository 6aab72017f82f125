"""Arrays, as functions return them."""

import array

import numpy as np


def reversed_array(data):
    # Its numbers lie in memory from the last to the first.
    return np.frombuffer(data, dtype="f8")[::-1]


def scaled(numbers, factor):
    assert isinstance(numbers, list), type(numbers)
    return np.asarray(numbers) * factor


def of_all_kinds():
    return {
        "rows": np.arange(6, dtype="i4").reshape(2, 3).T,
        "mask": np.array([True, False]),
        "halves": np.array([1.5, np.inf], dtype="f2"),
        "largest": np.array([2**64 - 1], dtype="u8"),
        "swapped": np.array([1, 258], dtype=">u2"),
        "days": np.array(["2024-01-02"], dtype="datetime64[D]"),
        "mean": np.float32(0.5),
        "scalar": np.array(7),
        "none": np.zeros((2, 0)),
        "plain": array.array("d", [0.25, float("nan")]),
        "bytes": bytearray(b"ab"),
        "pixels": memoryview(np.array([[1, 2], [3, 4]], dtype="u1")),
    }


def batches(count):
    for number in range(count):
        yield np.full(3, number, dtype="f4")
