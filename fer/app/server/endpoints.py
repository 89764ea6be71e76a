"""Functions of the API."""

import gradio as gr


def add_endpoint(fn, inputs=None, outputs=None, example=None, **options):
    """Add a function to the API under its own name; call within `gr.Blocks`.

    The components are hidden, and the endpoint's own: the documentation shows their labels, and in English only.
    `gr.api` needs no components, but it labels arguments and answers "1st", "2nd", …, takes any number for a slider's,
    and answers a dictionary of probabilities instead of a `gr.Label`'s ranking.

    Args:
        fn: function whose docstring documents it.
        inputs: list of components of the arguments.
        outputs: component of the answer.
        example: value of the first argument in the documentation, instead of Gradio's own.
        **options: more of `gr.on`.
    """
    if example is not None:
        # Of this one component: for a subclass Gradio would write a stub file (.pyi) beside its module.
        inputs[0].example_payload = lambda: example
    gr.on(triggers=[], fn=fn, inputs=inputs, outputs=outputs, api_name=fn.__name__, **options)
