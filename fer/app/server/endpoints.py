"""Registration of API endpoints."""

from collections.abc import Callable

import gradio as gr
from gradio.components import Component


def add_endpoint(
    fn: Callable,
    inputs: list[Component] | None = None,
    outputs: Component | None = None,
    example: object = None,
    **options: object,
) -> None:
    """Add a function to the API under the function's own name; call this within `gr.Blocks`.

    The components are hidden and used by this endpoint alone: the API documentation shows their labels, in English.
    It waits in a queue of its own, whose name is that of `concurrency_id` with `api-` before it: a program may name an
    address that answers slowly, and then holds no place of the page's events.

    `gr.api` would need no components, but it labels arguments and answers "1st", "2nd", …, accepts any number where a
    slider has limits, and returns a dictionary of probabilities instead of the ranking of a `gr.Label`.

    Args:
        fn: function; its docstring becomes the endpoint's documentation.
        inputs: components of the function's arguments, in order.
        outputs: component of the answer.
        example: documented value of the first argument, instead of Gradio's own example.
        **options: further arguments of `gr.on`.
    """
    if example is not None:
        # Set on the instance: for a subclass Gradio would write a stub file (.pyi) beside its module.
        inputs[0].example_payload = lambda: example
    if "concurrency_id" in options:
        options["concurrency_id"] = f"api-{options['concurrency_id']}"
    gr.on(triggers=[], fn=fn, inputs=inputs, outputs=outputs, api_name=fn.__name__, **options)
