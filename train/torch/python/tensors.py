"""Safetensors files with NumPy alone. Reading maps the file, so data larger than memory can be drawn from."""
import json
import os
import struct

import numpy

dtypes = {"F32": "<f4", "I32": "<i4", "U8": "|u1"}


def read(path):
    """-> arrays by name, metadata"""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", None) or {}
    values = numpy.memmap(path, numpy.uint8, "c", 8 + length)  # written to in memory only
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        arrays[name] = values[begin:end].view(dtypes[entry["dtype"]]).reshape(entry["shape"])
    return arrays, metadata


def write(path, arrays, metadata):
    """Writes beside the file first, so that `path` holds the previous file or this one, never a part."""
    header, begin = {"__metadata__": metadata}, 0
    for name, array in arrays.items():
        dtype = next(key for key, value in dtypes.items() if array.dtype == numpy.dtype(value))
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [begin, begin + array.nbytes]}
        begin += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(numpy.ascontiguousarray(array).tobytes())
    os.replace(path + ".part", path)
