import numpy as np
import pytest

from fer.detection.boxes import measure_areas, measure_overlaps


def test_a_box_with_a_negative_side_has_no_area():
    assert measure_areas([(0, 0, 4, 3), (2, 2, 2, 9), (5, 0, 1, 3)]).tolist() == [12, 0, 0]


@pytest.mark.parametrize(
    ("other", "overlap", "inside"),
    [
        ((0, 0, 4, 4), 1, 1),
        ((2, 0, 6, 4), 1 / 3, 1 / 2),
        ((1, 1, 3, 3), 1 / 4, 1),
        ((4, 0, 8, 4), 0, 0),
        ((9, 9, 10, 10), 0, 0),
        ((2, 2, 2, 2), 0, 0),
    ],
    ids=["same", "half", "inside", "beside", "apart", "empty"],
)
def test_boxes_are_compared(other, overlap, inside):
    assert measure_overlaps((0, 0, 4, 4), other) == pytest.approx((overlap, inside))
    assert measure_overlaps(other, (0, 0, 4, 4)) == pytest.approx((overlap, inside))


def test_each_box_is_compared_with_each():
    boxes = np.array([(0, 0, 4, 4), (2, 0, 6, 4), (9, 9, 10, 10)])
    overlaps, inside = measure_overlaps(boxes[:, None], boxes[None])
    assert overlaps == pytest.approx(np.array([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]))
    assert inside.shape == (3, 3)
