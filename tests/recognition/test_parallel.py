from pathlib import PurePosixPath

import pytest
from PIL import Image

from fer.errors import UserError
from fer.images.sources import Found
from fer.recognition import parallel
from fer.recognition.parallel import recognize_in_parallel


class Counted:
    """Recognizer that finds as many faces as a picture is wide, and records the sizes of its batches."""

    def __init__(self, batches):
        self.batches = batches

    def recognize_batch(self, images, already_cropped):
        widths = [image.width for image in images]
        self.batches.append(len(widths))
        return [range(width) for width in widths]


class Drawn(Found):
    """Picture of one row whose width is `content`; with None it cannot be read."""

    def load(self):
        if self.content is None:
            raise UserError("broken")
        return Image.new("RGB", (self.content, 1))


def drawn(*widths):
    return [Drawn(str(number), PurePosixPath("a"), width) for number, width in enumerate(widths)]


@pytest.mark.parametrize("count", [0, 1, 3, 15, 16, 40, 200])
def test_results_are_in_order_for_any_number_of_pictures(count):
    pictures = drawn(*(None if number % 7 == 3 else number + 1 for number in range(count)))
    answers = list(recognize_in_parallel(pictures, lambda threads: Counted([])))
    assert [answer.found for answer in answers] == pictures
    for number, answer in enumerate(answers):
        broken = number % 7 == 3
        assert answer.problem == ("broken" if broken else "")
        assert (len(answer.faces), answer.width) == ((0, None) if broken else (number + 1, number + 1))
        assert answer.image is None


def test_the_first_result_is_immediate_and_few_pictures_are_read_ahead():
    batches, taken = [], []

    def pictures():
        for picture in drawn(*[1] * 500):
            taken.append(picture)
            yield picture

    answers = recognize_in_parallel(pictures(), lambda threads: Counted(batches))
    next(answers)
    assert len(taken) == 1
    for _ in range(100):
        next(answers)
    assert len(taken) <= 15 + 100 + (parallel.MAX_THREADS + 3) * parallel.BATCH
    answers.close()
    assert batches[:4] == [1, 2, 4, 8]
    assert set(batches[4:]) == {parallel.BATCH}


def test_pictures_are_kept_on_request():
    answers = list(recognize_in_parallel(drawn(*[3] * 20), lambda threads: Counted([]), keep=True))
    assert [answer.image.size for answer in answers] == [(3, 1)] * 20


def test_an_error_of_one_batch_is_raised():
    class Broken:
        def recognize_batch(self, images, already_cropped):
            raise UserError("A network must return finite numbers")

    with pytest.raises(UserError, match="finite"):
        list(recognize_in_parallel(drawn(*[1] * 100), lambda threads: Broken()))
