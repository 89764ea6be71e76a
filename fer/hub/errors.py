"""What the Hub refused, in one sentence that says what to do."""

import errno
import os
import re

from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    XetDownloadError,
)

from fer.errors import UserError
from fer.models.model_folder import (
    CONFIG,
    WEIGHTS,
)

FAILURES = (HfHubHTTPError, HTTPError, OSError, UnicodeError, XetDownloadError, RuntimeError)
"""What the client raises where the Hub refuses, cannot be reached, or its cache cannot be written, and where a token is
no ASCII; the last two come from its Xet transfers."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class HubError(UserError):
    """Something that the Hub refused, or that did not reach it."""


def explain(error):
    """Why the Hub did not do it, in a sentence of our own: the client's messages run over lines.

    Args:
        error: of `FAILURES`.
    """
    if isinstance(error, UnicodeError):
        return "the token holds a character that no token has. Set HF_TOKEN anew, or run `hf auth login`."
    if isinstance(error, GatedRepoError):
        return "access is restricted. Ask for it on the model's page, and set HF_TOKEN to a token of yours."
    if isinstance(error, RepositoryNotFoundError):
        return (
            "no such folder here, and no such repository on the Hub, or it is private. "
            "Check the name, and set HF_TOKEN if it is private."
        )
    if isinstance(error, RevisionNotFoundError):
        return "the repository has no such branch, tag or commit."
    if isinstance(error, (LocalEntryNotFoundError, OfflineModeIsEnabled)):
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            return explain(cause)
        if constants.HF_HUB_OFFLINE:
            return "not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub."
        return "the Hub cannot be reached, and the model is not in the cache."
    if isinstance(error, EntryNotFoundError):
        return f"the repository holds no {CONFIG} or no {WEIGHTS}: it is not a model of this project."
    if isinstance(error, HfHubHTTPError):
        return _status_reason(status_of(error))
    if isinstance(error, HTTPError):
        return f"the Hub cannot be reached ({type(error).__name__})."
    reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
    in_xet = re.search(r"\(os error (\d+)\)", reason)
    number = int(in_xet[1]) if in_xet else getattr(error, "errno", None)
    if number in NO_ROOM:
        return f"no room left for the Hub's cache at {constants.HF_HUB_CACHE} ({os.strerror(number)})."
    return f"the transfer failed ({reason}); the Hub's cache is at {constants.HF_HUB_CACHE}."


def status_of(error):
    return error.response.status_code


def _status_reason(status):
    known = {
        401: "the token is not valid. Set HF_TOKEN anew, or run `hf auth login`.",
        402: "the account's plan does not include this.",
        403: "the token may not do this.",
        412: "others keep committing to the repository. Push again.",
        429: "the Hub asks for patience (429). Try again in some minutes.",
    }
    return known.get(status, f"the Hub answered with an error ({status}). Try again later.")
