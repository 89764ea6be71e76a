"""Errors of the Hub, each explained in one sentence that says what to do."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Any

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
from fer.hub.proxies import FAULTS, find_proxy_fault
from fer.models.config import CONFIG, WEIGHTS

FAILURES = (HfHubHTTPError, HTTPError, OSError, ValueError, XetDownloadError, RuntimeError)
"""Exceptions that huggingface_hub raises if the Hub refuses a request or cannot be reached, and if the cache cannot be
written. A `ValueError` tells that the Hub refuses a card or a file, that an answer is not JSON, or that a token is not
ASCII. Xet transfers raise the last two."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the system's errors for a full disk, an exhausted quota and a file that is too large."""


class HubError(UserError):
    """A request that the Hub refused, or that did not reach it."""


def status_of(error: HfHubHTTPError) -> int:
    """Return the HTTP status of an `HfHubHTTPError`."""
    return error.response.status_code


def _explain_missing(error):
    """Explain why a file is not in the cache; if the Hub refused the request, its error is the cause of this one."""
    if isinstance(error.__cause__, HfHubHTTPError):
        return explain(error.__cause__)
    if constants.HF_HUB_OFFLINE:
        return "no such folder here, not in the cache, and HF_HUB_OFFLINE forbids asking the Hub."
    return "no such folder here; the Hub cannot be reached, and the model is not in the cache."


def _explain_status(error):
    status = status_of(error)
    if status in STATUSES:
        return STATUSES[status]
    if status < 500:
        return f"the Hub refused it ({status}{f': {error.server_message}' if error.server_message else ''})."
    return f"the Hub answered with an error ({status}). Try again later."


def _explain_refusal(error):
    return f"the Hub refused it ({str(error) or type(error).__name__})."


def _explain_encoding(error):
    if error.encoding == "ascii":  # That of the header with the token.
        return "the token holds a character that no token has. Set HF_TOKEN anew, or run `hf auth login`."
    return _explain_refusal(error)


def _explain_connection(error):
    return f"the Hub cannot be reached ({type(error).__name__})."


def _explain_transfer(error):
    reason = getattr(error, "strerror", None) or (str(error).strip().splitlines() or [type(error).__name__])[-1]
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
    429: "too many requests (429). Try again in some minutes.",
}
"""Explanations by HTTP status."""
EXPLANATIONS: dict[type[Exception], str | Callable[[Any], str]] = {
    JSONDecodeError: f"the Hub cannot be reached: what answers at {constants.ENDPOINT} is not the Hub. "
    "Check HF_ENDPOINT, and whether the network asks for a login.",
    UnicodeEncodeError: _explain_encoding,
    GatedRepoError: "access is restricted. Ask for it on the model's page, and set HF_TOKEN to a token of yours.",
    RepositoryNotFoundError: "no such folder here, and no such repository on the Hub, or it is private. "
    "Check the name, and set HF_TOKEN if it is private.",
    RevisionNotFoundError: "the repository has no such branch, tag or commit.",
    LocalEntryNotFoundError: _explain_missing,
    OfflineModeIsEnabled: "HF_HUB_OFFLINE forbids asking the Hub.",
    EntryNotFoundError: f"the repository holds no {CONFIG} or no {WEIGHTS}: it is not a model of this project.",
    HfHubHTTPError: _explain_status,
    HTTPError: _explain_connection,
    ValueError: _explain_refusal,
}
"""Explanations by class of error, as texts or as functions of the error. `explain` takes the first class that fits, so
subclasses stand before their base classes."""


def explain(error: Exception) -> str:
    """Return one sentence that says why a request failed; the messages of huggingface_hub have several lines.

    Args:
        error: instance of one of `FAILURES`.
    """
    found = (reason for kind, reason in EXPLANATIONS.items() if isinstance(error, kind))
    reason = next(found, _explain_transfer)
    return reason if isinstance(reason, str) else reason(error)


@contextmanager
def explained(subject: str, explain: Callable[[Any], str] = explain) -> Iterator[None]:
    """Raise a `HubError` of one sentence instead of an error of huggingface_hub.

    If the environment names a proxy that cannot be used, the sentence is about it: no request was sent.

    Args:
        subject: beginning of the sentence, such as the name of the repository.
        explain: function that returns the remaining part for one of `FAILURES`.
    """
    try:
        yield
    except UserError:
        raise
    except (*FAILURES, *FAULTS) as error:
        fault = find_proxy_fault()
        if not fault and not isinstance(error, FAILURES):
            raise  # A library is missing.
        raise HubError(f"{subject}: {fault or explain(error)}") from None
