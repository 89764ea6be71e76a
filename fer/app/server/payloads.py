"""Check of the values that clients send for a function, before any other code reads them.

Gradio checks little of what an API client sends: it accepts paths of the whole disk for some components and any JSON
for a checkbox, and fails with a traceback on a value of another type. `CheckedBlocks` checks every route: the page's
events, API functions called by name or number, a camera's stream, and MCP tools. `fer.app.server.values` checks each
value.
"""

import asyncio
from collections.abc import Iterable

import gradio as gr
import httpx
from gradio.blocks import BlockFunction
from gradio.components import Component
from gradio.exceptions import InvalidPathError

from fer.app.server.limits import FETCH_ALL_SECONDS
from fer.app.server.queue_limits import QueueLimits, is_stream_event
from fer.app.server.values import check_value, describe, is_stream, refusal


class CheckedBlocks(gr.Blocks):
    """`gr.Blocks` that calls a function only with values that pass `check_values`.

    Args:
        waiting: maximal number of events in the queue; None for no limit.
        **options: arguments of `gr.Blocks`.

    Attributes:
        queue_limits: `fer.app.server.queue_limits.QueueLimits` of the queue.
    """

    def __init__(self, waiting: int | None = None, **options):
        self._waiting = waiting
        self.queue_limits = QueueLimits(self)
        super().__init__(**options)

    def queue(self, *args, max_size=None, **options):
        """Create the queue. `gr.Blocks` calls this itself, so that the limit costs no slow second call.

        No route passes by the queue, whose limits hold for everybody.
        """
        return super().queue(*args, max_size=max_size or self._waiting, **{**options, "api_open": False})

    async def process_api(self, block_fn, *args, request=None, **options):
        """Process an event, or a frame of a stream, which is closed if no further frame follows."""
        # Gradio passes the number of a stream's event with its first frame only, but the request with each.
        session = request.session_hash if is_stream_event(block_fn) and request else None
        if session:
            self.queue_limits.begin_frame(session)
        try:
            return await super().process_api(block_fn, *args, request=request, **options)
        finally:
            if session:
                self.queue_limits.end_frame(session)

    async def preprocess_data(self, block_fn, inputs, state, explicit_call=False):
        """Check the values, then convert them as `gr.Blocks` does."""
        components = [
            block if block.stateful or not state else state.get(block._id, block) for block in block_fn.inputs
        ]
        values = check_values(block_fn, inputs, components)
        try:
            async with asyncio.timeout(FETCH_ALL_SECONDS):
                return await super().preprocess_data(block_fn, values, state, explicit_call)
        except gr.Error as error:
            error.print_exception = False  # The client made the mistake: it gets a sentence, the log no traceback.
            raise
        except TimeoutError:
            raise refusal(f"All files must arrive from their addresses within {FETCH_ALL_SECONDS} seconds.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise refusal("A file cannot be fetched from its address.") from None
        except InvalidPathError:  # A hidden file of the cache, which is no upload.
            raise refusal("A file must be one that was uploaded.") from None
        finally:
            # Gradio keeps each value for the session: from a camera, megabytes that are never read again.
            for block in block_fn.inputs:
                if state and is_stream(block) and block._id in state.config_values:
                    state.config_values[block._id]["props"]["value"] = None


def check_values(block_fn: BlockFunction, values: list, components: list[Component]) -> list:
    """Check the values that a client sent for a function.

    Args:
        block_fn: the function.
        values: JSON values, one per input, in order.
        components: inputs of the function as they are in the client's session, where a choice may have other options.

    Returns:
        The values, with each file in the one form that Gradio needs.

    Raises:
        gr.Error: if `check_count` refuses them or one of them is wrong; one sentence with the name of the argument.
    """
    check_count(block_fn, values)
    return [
        value if component.stateful else check_value(name, component, value)
        for name, component, value in zip(_names(block_fn), components, values, strict=True)
    ]


def check_count(block_fn: BlockFunction, values: list) -> None:
    """Check the number of the values that a client sent for a function.

    Raises:
        gr.Error: if it is wrong, or the browser answers this event; one sentence with the names of the arguments.
    """
    if block_fn.fn is None:
        raise refusal("This event is answered by the browser, not here.")
    if len(values) != len(block_fn.inputs):
        names = ", ".join(f"`{name}`" for name in _names(block_fn)) or "none"
        raise refusal(f"The number of values must be {len(block_fn.inputs)}: {names}. Received: {len(values)}")


def check_names(block_fn: BlockFunction, names: Iterable[str]) -> None:
    """Check the argument names that a client gave.

    Raises:
        gr.Error: if a name is unknown, or an argument without a default is missing; one sentence with the names.
    """
    arguments = arguments_of(block_fn)
    known = ", ".join(f"`{name}`" for name in arguments) or "none"
    for name in names:
        if name not in arguments:
            raise refusal(f"The arguments are: {known}. Received: {describe(name)}")
    for name, component in arguments.items():
        if name not in names and component.value is None:
            raise refusal(f"`{name}` is needed. Received: none")


def arguments_of(block_fn: BlockFunction) -> dict[str, Component]:
    """Return the components of the arguments that a client gives, by name; the server itself supplies `gr.State`."""
    arguments = zip(_names(block_fn), block_fn.inputs, strict=True)
    return {name: component for name, component in arguments if not component.stateful}


def _names(block_fn):
    names = block_fn.input_parameter_names or []
    return [names[index] if index < len(names) and names[index] else f"value {index + 1}"
            for index in range(len(block_fn.inputs))]  # fmt: skip
