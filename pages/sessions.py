"""What each client's session starts from, worked out once for all of them."""

from types import SimpleNamespace

from gradio.state_holder import SessionState

GRADIO_STARTS = SessionState.__init__


def share_configurations(demo):
    """Lets the later sessions of an app start from its components' configurations as they are now.

    Gradio 6 works them out anew for each session, and a call of the API that names none, as curl's, begins one: for the
    components of this page that takes about as long as reading the photo (py-spy under `/predict`: 22 % of the samples,
    the recognizer 25 %), on the thread that answers everybody.

    Args:
        demo: `gr.Blocks`, complete. Sessions of other apps of the process start as Gradio has them.
    """
    shared = SessionState(demo).config_values

    def start(session, blocks):
        if blocks is demo:
            GRADIO_STARTS(session, SimpleNamespace(default_config=blocks.default_config, blocks=()))
            # A session sets its own values in "props", and nothing below them.
            session.config_values = {key: {**config, "props": {**config["props"]}} for key, config in shared.items()}
        else:
            GRADIO_STARTS(session, blocks)

    SessionState.__init__ = start
