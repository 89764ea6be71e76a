"""What the Hub refused, in one sentence that says what to do."""

import errno
import os
import re
from collections.abc import Callable

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
from fer.models.config import CONFIG, WEIGHTS

FAILURES = (HfHubHTTPError, HTTPError, OSError, UnicodeError, XetDownloadError, RuntimeError)
"""Errors of the client where the Hub refuses, cannot be reached, or its cache cannot be written, and where a token is
no ASCII; the last two come from its Xet transfers."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class HubError(UserError):
    """A request that the Hub refused, or that did not reach it."""


def status_of(error):
    """Return the HTTP status of an `HfHubHTTPError`."""
    return error.response.status_code


def _explain_missing(error):
    """Say why a file is not in the cache; the client has the Hub's refusal as the cause."""
    if isinstance(error.__cause__, HfHubHTTPError):
        return explain(error.__cause__)
    if constants.HF_HUB_OFFLINE:
        return "not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub."
    return "the Hub cannot be reached, and the model is not in the cache."


def _explain_status(error):
    status = status_of(error)
    return STATUSES.get(status, f"the Hub answered with an error ({status}). Try again later.")


def _explain_connection(error):
    return f"the Hub cannot be reached ({type(error).__name__})."


def _explain_transfer(error):
    reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
    in_xet = re.search(r"\(os error (\d+)\)", reason)
    number = int(in_xet[1]) if in_xet else getattr(error, "errno", None)
    if number in NO_ROOM:
        return f"no room left for the Hub's cache at {constants.HF_HUB_CACHE} ({os.strerror(number)})."
    return f"the transfer failed ({reason}); the Hub's cache is at {constants.HF_HUB_CACHE}."


STATUSES = {
    401: "the token is not valid. Set HF_TOKEN anew, or run `hf auth login`.",
    402: "the account's plan does not include this.",
    403: "the token may not do this.",
    412: "others keep committing to the repository. Push again.",
    429: "the Hub asks for patience (429). Try again in some minutes.",
}
"""Explanations by HTTP status."""
EXPLANATIONS: dict[type[Exception], str | Callable[[Exception], str]] = {
    UnicodeError: "the token holds a character that no token has. Set HF_TOKEN anew, or run `hf auth login`.",
    GatedRepoError: "access is restricted. Ask for it on the model's page, and set HF_TOKEN to a token of yours.",
    RepositoryNotFoundError: "no such folder here, and no such repository on the Hub, or it is private. "
    "Check the name, and set HF_TOKEN if it is private.",
    RevisionNotFoundError: "the repository has no such branch, tag or commit.",
    LocalEntryNotFoundError: _explain_missing,
    OfflineModeIsEnabled: _explain_missing,
    EntryNotFoundError: f"the repository holds no {CONFIG} or no {WEIGHTS}: it is not a model of this project.",
    HfHubHTTPError: _explain_status,
    HTTPError: _explain_connection,
}
"""Explanations by class of error, or functions that give them; the first class that an error belongs to counts."""


def explain(error):
    """Say why the Hub did not do it, in one sentence: the client's own messages have several lines.

    Args:
        error: of `FAILURES`.
    """
    found = (reason for kind, reason in EXPLANATIONS.items() if isinstance(error, kind))
    reason = next(found, _explain_transfer)
    return reason if isinstance(reason, str) else reason(error)
