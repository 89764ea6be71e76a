"""What the app accepts and keeps, with the reasons."""

MAX_FILE_SIZE = 20 * 1024**2
"""Bytes. A 50-megapixel photo as a camera's JPEG stays below it."""
FETCH_SECONDS = 20
"""For a photo that an API client names by its address; meanwhile it takes the place of another."""
KEEP_SECONDS = 540
"""Gradio writes uploads and answers to its cache; a sweep a minute deletes them then, and so does the app's end."""
CONCURRENT = 2
"""Photos read at once; the others wait in a visible queue. More would only share the Space's two cores."""
MAX_WAITING = 100
"""Events that may wait; whoever comes then is told at once to try again. Two busy cores read 138 photos of 512 pixels
in 12 s, so that the last of a hundred waits some 9 s."""
MAX_CALLS = 8
"""MCP calls at once; the others wait. Each holds a thread of the forty that also read the photos."""
DISPLAY_SIDE = 1600
"""Longest side of the answered picture in pixels: it is there to be looked at, and large ones are slow to send."""
MAX_SMALLEST_FACE = 50
"""Percent of the picture's longer side, the most that the search for faces may be told to leave out."""
THUMBNAIL_SIDE = 480
"""Longest side of a picture in the gallery in pixels, twice what is shown of it."""
