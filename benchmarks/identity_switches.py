"""Identity switches of the face tracker in drawn clips: two faces that cross, cover each other, leave and come back.

    python -m benchmarks.identity_switches

The face of NASA's astronaut and its mirror image move over grey frames of 640x480 pixels, five frames per second for
four seconds. They are detected and tracked as in a clip. A switch is a face that gets a new number. The result is the
number of switches in all clips of a kind. Takes two minutes on 2 cores.
"""

import math

import numpy as np
from PIL import Image, ImageOps

from benchmarks.tables import table
from fer.detection.blazeface import FaceDetector
from fer.detection.tracking import FaceTracker, likeness
from fer.images.loading import load_image
from fer.models.calibration import UNCALIBRATED
from fer.recognition.recognizer import Face
from fer.resources import find_resource

EVERY, SECONDS, CLIPS, SEED = 0.2, 4.0, 8, 0
"""Seconds between frames, seconds of a clip, number of clips of each kind, and seed of their speeds and sizes."""


def crossing(second, speed, gap):
    return (320 + speed * (second - 2), 240), (320 - speed * (second - 2), 250)


def passing(second, speed, gap):
    return (320 + speed * (second - 2), 240), (320, 255)


def overtaking(second, speed, gap):
    return (100 + 0.7 * speed * second, 240), (100 + 0.7 * speed + 0.35 * speed * second, 250)


def turning(second, speed, gap):
    distance = abs(second - 2) * speed / 2
    return (260 - distance, 240), (380 + distance, 240)


def leaving(second, speed, gap):
    return (200 + 20 * math.sin(second), 240), None if 1.5 <= second < 1.5 + gap else (480, 240)


def hiding(second, speed, gap):
    return None if 1.5 <= second < 1.5 + gap else (100 + speed / 2 * second, 300), (500, 100)


KINDS = {
    "cross each other": crossing,
    "one passes the other, which stands": passing,
    "one overtakes the other": overtaking,
    "meet and turn back": turning,
    "one leaves for a moment": leaving,
    "one is hidden while it moves": hiding,
}
"""Motions by kind: functions of the time in seconds, a speed in pixels per second and the seconds of a gap. They return
the centre of each face, or None while it cannot be seen; the first face is in front."""


def switches(detector, motion, photo, random):
    """Return the number of switches in one clip."""
    faces = [face.resize((side, side)) for face, side in zip(photo, random.integers(150, 230, 2), strict=True)]
    speed, gap = random.uniform(60, 320), random.uniform(0.3, 0.9)
    tracker, last, count = FaceTracker(UNCALIBRATED), {}, 0
    for number in range(int(SECONDS / EVERY)):
        frame, boxes = Image.new("RGB", (640, 480), "gray"), {}
        for index, center in reversed(list(enumerate(motion(number * EVERY, speed, gap)))):
            if center is not None:
                corner = tuple(int(middle - faces[index].width / 2) for middle in center)
                frame.paste(faces[index], corner)
                boxes[index] = (*corner, corner[0] + faces[index].width, corner[1] + faces[index].width)
        found = [Face(face.box, "happy", {"happy": 1.0}, face.score, True, None) for face in detector.detect(frame)]
        for face in tracker.update(found, number * EVERY):
            index = max(boxes, key=lambda index: likeness(boxes[index], face.box), default=None)
            if index is not None and likeness(boxes[index], face.box) > 0:
                count += last.get(index, face.number) != face.number
                last[index] = face.number
    return count


def main():
    photo = load_image(find_resource("examples/astronaut.jpg")).crop((140, 40, 310, 210))
    detector, rows = FaceDetector(), []
    for name, motion in KINDS.items():
        random = np.random.default_rng(SEED)
        count = sum(switches(detector, motion, (photo, ImageOps.mirror(photo)), random) for _ in range(CLIPS))
        rows.append([name, str(count)])
    print(table([f"two faces that, in {CLIPS} clips", "switches"], rows))


if __name__ == "__main__":
    main()
