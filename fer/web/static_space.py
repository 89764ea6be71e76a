"""Deploy the browser's recognizer as a static Space, which answers photos on the visitors' devices without a server."""

import tempfile
from pathlib import Path

from huggingface_hub import HfApi, constants

from fer.errors import UserError
from fer.hub.errors import explained
from fer.publishing.push import upload
from fer.publishing.space import needs_token, remove_settings, resolve_published, wait_until_up
from fer.publishing.space_card import write_space_card
from fer.web.site import write_site


def deploy_static(repository: str, model: str, private: bool | None = None, wait: bool = False) -> str:
    """Create or update a static Space with a model of the Hub.

    A Space that has run the app before loses its token and the app's settings, which a page without a server does not
    use.

    Args:
        repository: `OWNER/NAME` of the Space.
        model: `OWNER/NAME` or `OWNER/NAME@REVISION`. The Space gets the model's files of the commit that this names at
            the time of the call.
        private: whether a new Space is private; None for the owner's default.
        wait: whether to return only when the Space is up.

    Returns:
        The Space's URL.

    Raises:
        HubError: if the Hub refuses, or the Space does not come up.
        UserError: if the model is not on the Hub, is not valid, or is private or gated while the Space is public.
        ModelFolderError: if the model has no LiteRT file that belongs to its weights and calibration.
    """
    source = resolve_published(repository, model, private)
    api = HfApi()
    with explained(repository):
        if needs_token(api, source) and not private:
            raise UserError(
                f"{source.name}: is private or gated, and a static Space hands its model to every visitor, so the "
                "Space must be private: --private"
            )
        with tempfile.TemporaryDirectory() as folder:
            write_site(folder, source.folder, str(source))
            write_space_card(Path(folder), source, "static")
            api.create_repo(repository, repo_type="space", space_sdk="static", private=private, exist_ok=True)
            upload(folder, repository, repo_type="space", commit_message=f"Serve {source}", delete_patterns="*")
        remove_settings(api, repository)
        if wait:
            wait_until_up(api, repository)
    return f"{constants.ENDPOINT}/spaces/{repository}"
