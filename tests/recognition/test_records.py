"""What the frozen dataclasses promise: they can be compared, whatever they hold."""

import importlib
import pkgutil
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

import fer
from fer.data.fer2013 import Faces
from fer.detection.alignment import FaceFrame
from fer.detection.blazeface import DetectedFace


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(fer.__path__, "fer.")])
def test_no_record_compares_arrays(name):
    """An array's `==` is an array, which has no truth."""
    for record in vars(importlib.import_module(name)).values():
        if isinstance(record, type) and is_dataclass(record) and record.__dataclass_params__.eq:
            assert not [field.name for field in fields(record) if field.compare and "ndarray" in str(field.type)]


def test_records_with_arrays_can_be_compared_and_searched():
    points = np.zeros((6, 2), np.float32)
    one, other = (DetectedFace((0, 0, 9, 9), points + shift, 0.9) for shift in (0, 1))
    assert one == other
    assert one in [other]
    assert DetectedFace((0, 0, 9, 8), points, 0.9) != one
    frame = FaceFrame(points[0], 1.0, 0.0, points[0], points[0], points)
    faces = Faces(np.zeros((1, 8, 8, 1), np.uint8), np.zeros(1, np.int64), ("happy", "sad"), ("a",))
    for record in (frame, faces):
        assert record == record
        assert record not in [type(record)(**vars(record))]
