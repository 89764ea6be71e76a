"""What the app accepts and keeps, with the reasons."""

MAX_FILE_SIZE = "150mb"
"""A clip of `CLIP_SECONDS` at 20 Mbit a second; pictures are refused far below, by `MAX_PHOTO_BYTES`."""
MAX_PHOTO_BYTES = 20_000_000
"""A 50-megapixel photo as a camera's JPEG stays below it."""
KEEP_SECONDS = 540
"""Gradio writes uploads and answers to its cache; a sweep a minute deletes them then, and so does the app's end."""
CONCURRENT = 2
"""Photos read at once; the others wait in a visible queue. More would only share the Space's two cores."""
MAX_WAITING = 100
DISPLAY_SIDE = 1600
"""Longest side of the answered picture in pixels: it is there to be looked at, and large ones are slow to send."""
MAX_SMALLEST_FACE = 50
"""Percent of the picture's longer side, the most that the search for faces may be told to leave out."""
THUMBNAIL_SIDE = 480
"""Longest side of a picture in the gallery in pixels, twice what is shown of it."""

CLIP_SECONDS = 60
"""Longest clip: at `CLIP_EVERY` it is 300 pictures to read, more than the largest batch."""
CLIP_EVERY = 0.2
"""Seconds between the frames that are read, unless the person chooses otherwise: five a second, as live."""
CLIPS = 1
"""Clips read at once, in a queue of their own: no photo, which takes less than a second, waits in line behind one."""
