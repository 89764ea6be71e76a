"""Limits on what the app accepts, keeps and does at once, with their reasons."""

from fer.images.sources import MAX_FETCHED_BYTES

MAX_FILE_SIZE = MAX_FETCHED_BYTES
"""Maximal size of an upload in bytes: a clip of `CLIP_SECONDS` at 20 Mbit/s. Photos have `MAX_PHOTO_BYTES`."""
MAX_PICTURES = 200
"""Largest number of pictures in a batch."""
MAX_PHOTO_BYTES = 20_000_000
"""Largest picture in bytes that the app takes, unpacked if it lies in a zip: the JPEG of a 50-megapixel camera is
smaller."""
MAX_MEMBERS = 2_000
"""Largest number of files in a zip. The zip's list of files is read again for each of its pictures."""
MAX_DIRECTORY = 1_000_000
"""Largest size of a zip's list of files in bytes: 500 for each of `MAX_MEMBERS`."""
MAX_UNPACKED = 500_000_000
"""Largest total size of a zip's pictures in bytes, as the zip declares it. No picture of a larger zip is unpacked."""
MAX_BODY = 4 * 1024**2
"""Maximal size in bytes of a request that uploads no file: a photo of 3 MB as a data: URI for MCP, whose own
limit is the same. The page's largest request, a live frame, is half as large (`LIVE_BYTES`)."""
MAX_MARKS = 30_000
"""Maximal number of the characters `[`, `{`, `,` and `:` in such a request. The page's list of a thousand files, the
most that an upload may have, has 20 for each file. Empty lists alone in `MAX_BODY` would take some 4 s to read, in
which nobody is answered, and 45 times as much memory."""
MAX_FETCHES = 4
"""Number of files fetched at once, each held in memory up to twice; others wait within their
`fer.images.fetching.FETCH_SECONDS`."""
FETCH_ALL_SECONDS = 60
"""Seconds within which all files must arrive that one call names by address; each has its own `FETCH_SECONDS`."""
KEEP_SECONDS = 540
"""Seconds after which the next sweep deletes uploads and answers from Gradio's cache; so does the end of the app."""
SWEEP_SECONDS = 60
"""Seconds between two sweeps of the cache: with `KEEP_SECONDS`, an upload is deleted within ten minutes."""
MAX_UNREAD = 300
"""Maximal number of answers that wait in memory to be fetched; above it the oldest are removed. The page fetches an
answer at once, and so do the clients of Gradio."""
CONCURRENT = 4
"""Number of photos read at once; others wait in a visible queue. It exceeds the two cores of a Space, so that a photo
need not wait until two pictures of crowds are finished, which takes seconds: the networks process the faces of all
pictures in turn."""
PHOTO_QUEUE = {"concurrency_id": "read", "concurrency_limit": CONCURRENT}
"""Event options that select the queue of photos."""
BATCH_QUEUE = {"concurrency_id": "batch", "concurrency_limit": 2}
"""Event options that select the queue of batches, which is their own, so that no photo waits until two hundred pictures
have been fetched and read."""
MAX_WAITING = 100
"""Maximal number of events in the queue; a further one is refused at once with the request to try again. Two busy cores
read 138 photos of 512 pixels in 12 s, so the last of a hundred waits some 9 s."""
SESSIONS = 300
"""Number of sessions whose state is kept; the one that has been idle longest is dropped first. An API call without a
session creates one, which holds 0.1 MB of resident memory (mean of a thousand); Gradio's default is 10,000 sessions."""
MAX_CALLS = 8
"""Number of MCP calls answered at once; others wait. A running call holds one of the forty threads that also answer the
page; `launch(max_threads=…)` counts the threads of events only."""
DISPLAY_SIDE = 1600
"""Longest side in pixels of the picture that a page shows with its faces: a larger one is slow to send."""
MAX_SMALLEST_FACE = 50
"""Maximal value of "smallest face", in percent of the picture's longer side."""
THUMBNAIL_SIDE = 480
"""Longest side in pixels of a picture in the gallery, which is twice its size on the page."""
LIVE_SECONDS = 300
"""Seconds after which a stream ends, so that nobody forgets that they are being read, and a forgotten page stops."""
LIVE_EVERY = 0.2
"""Seconds between two frames of a stream, each up to 120 kB to upload; expressions change more slowly."""
LIVE_PEOPLE = 2
"""Number of streams read at once, one per core of a Space; others are told to wait and get a place when one ends."""
MAX_STREAMS = 16
"""Number of streams that are open at once, those that are told to wait among them. Each holds one of the forty jobs of
Gradio's queue, so the others remain for photos, batches and clips."""
GONE_SECONDS = 3
"""Seconds without a frame after which a stream counts as ended, so that another one gets its place."""
IDLE_SECONDS = 10
"""Seconds without a frame after which a stream is closed; a slow connection may take some of them for one frame."""
LIVE_BYTES = 2_000_000
"""Maximal length of a frame in base64: enough for a camera that cannot be set to send small frames."""
CLIP_SECONDS = 60
"""Maximal length of a clip in seconds: at `CLIP_EVERY` it has 300 frames to read, more than the largest batch."""
CLIP_EVERY = 0.2
"""Default of the seconds between two frames of a clip that are read: five frames per second, as in a live stream."""
CLIP_MAX_EVERY = 0.5
"""Maximal seconds between two frames of a clip that are read: with more, a clip of a minute has too few to draw."""
CLIPS = 1
"""Number of clips read at once, in a queue of their own, so that no photo waits for a clip."""
