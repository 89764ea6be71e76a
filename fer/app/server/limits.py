"""What the app accepts and keeps, with the reasons."""

from fer.detection.tracking import LIVE_SIDE as LIVE_SIDE

MAX_FILE_SIZE = 150 * 1024**2
"""Bytes: a clip of `CLIP_SECONDS` at 20 Mbit a second; pictures are refused far below, by `MAX_PHOTO_BYTES`."""
MAX_BODY = 4 * 1024**2
"""Bytes of a request that uploads no file: a photo of 3 MB as a data: URI for MCP, whose own limit it is; the largest
of the page, a live frame, has half of it (`LIVE_BYTES`)."""
MAX_PHOTO_BYTES = 20_000_000
"""A 50-megapixel photo as a camera's JPEG stays below it."""
MAX_FETCHES = 4
"""Files fetched at once, each held in memory up to twice; the others wait within their
`fer.images.fetching.FETCH_SECONDS`."""
KEEP_SECONDS = 540
"""Gradio writes uploads and answers to its cache; a sweep deletes them then, and the app's end does in any case."""
SWEEP_SECONDS = 60
"""From one sweep to the next: with `KEEP_SECONDS`, what a person sent is gone after ten minutes."""
CONCURRENT = 4
"""Photos read at once; the others wait in a visible queue. More than the Space's two cores, so that nobody's photo
waits until two crowds are read, which take seconds: the networks take the parts of all pictures in turns."""
PHOTO_QUEUE = {"concurrency_id": "read", "concurrency_limit": CONCURRENT}
"""Queue of the events that read photos, as options of an event."""
MAX_WAITING = 100
"""Events that may wait; whoever comes then is told at once to try again. Two busy cores read 138 photos of 512 pixels
in 12 s, so that the last of a hundred waits some 9 s."""
SESSIONS = 300
"""Whose state is kept; those that were quiet longest go first. A call of the API without a session is one of its own
and holds a tenth of a megabyte (resident memory of a thousand); Gradio would keep ten thousand."""
MAX_CALLS = 8
"""MCP calls at once; the others wait. While it is answered, each holds one of the forty threads that also answer the
page; `launch(max_threads=…)` counts those of the events alone."""
DISPLAY_SIDE = 1600
"""Longest side of the answered picture in pixels: it is there to be looked at, and large ones are slow to send."""
MAX_SMALLEST_FACE = 50
"""Percent of the picture's longer side, the most that the search for faces may be told to leave out."""
THUMBNAIL_SIDE = 480
"""Longest side of a picture in the gallery in pixels, twice what is shown of it."""
LIVE_SECONDS = 300
"""A stream ends then: nobody is read longer than they remember, and a forgotten page costs no more."""
LIVE_EVERY = 0.2
"""Seconds between two frames of a page, each up to 120 kB of somebody's line; expressions change more slowly."""
LIVE_PEOPLE = 2
"""Streams read at once, one a core of the Space; the others are told, and get in when one ends."""
LIVE_BYTES = 2_000_000
"""Of a frame in base64: enough for a camera that will not be told to send small ones."""
CLIP_SECONDS = 60
"""Longest clip: at `CLIP_EVERY` it is 300 pictures to read, more than the largest batch."""
CLIP_EVERY = 0.2
"""Seconds between the frames that are read, unless the person chooses otherwise: five a second, as live."""
CLIP_MAX_EVERY = 0.5
"""Seconds between frames at most; with rarer ones a minute has too few to draw."""
CLIPS = 1
"""Clips read at once, in a queue of their own: no photo, which takes less than a second, waits in line behind one."""
