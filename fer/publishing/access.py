"""Check, before any work is done, that the token may push to a repository on the Hub, and may tag the commit."""

import re

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, RepositoryNotFoundError

from fer.errors import UserError, check
from fer.hub.client import check_name, token_facts
from fer.hub.errors import HubError, explained, status_of

FORBIDDEN = re.compile(
    r"[\s~^:?*\[\\]|\.\.|//|@\{|/\.|\.lock(/|$)"  # Anywhere.
    r"|^[-./]|[./]$|^refs/|^(@|HEAD|main|[0-9a-f]{40})$"
)
"""Pattern of what the name of a tag must not have: what Git forbids, and what `OWNER/NAME@REVISION` reads as another
revision."""
TAG_RULE = (
    r"a name that Git allows and OWNER/NAME@TAG finds, such as v1.0: without spaces, control characters, ~ ^ : ? * [ \ "
    "and .. // @{, no part of it beginning with . or ending with .lock, itself not beginning with - / refs/ or ending "
    "with . /, and not @, HEAD, main or the 40 digits of a commit"
)
"""Rule for the name of a tag, for messages."""


def check_tag(tag: str | None, create_pr: bool = False) -> None:
    """Raise an error unless the commit of a push can get a tag.

    Args:
        tag: name of the tag; None for no tag.
        create_pr: whether the push opens a pull request, whose commit is not tagged.

    Raises:
        UserError: if the name is not valid, or a pull request is opened.
    """
    if tag is None:
        return
    if create_pr:
        raise UserError("`--tag` goes without `--create-pr`, since only commits of main get tags. Received: both")
    # Control characters are not printable.
    check(tag and tag.isprintable() and not FORBIDDEN.search(tag), "--tag", TAG_RULE, repr(tag))


def check_push(repository: str, create_pr: bool = False, kind: str = "model", private: bool | None = None) -> None:
    """Raise an error unless the token may push to a repository, or may create it.

    Args:
        repository: `OWNER/NAME`.
        create_pr: whether only a pull request will be opened, for which the repository must exist.
        kind: `model` or `space`.
        private: whether the repository must be private; if true, an existing public one is refused.

    Raises:
        HubError: if the token may not; the message says what is missing.
    """
    check_name(repository)
    api = HfApi()
    with explained(repository):
        try:
            user = api.whoami()
        except LocalTokenNotFoundError:
            raise HubError("A token is needed to push: set HF_TOKEN, or run `hf auth login`.") from None
        try:
            if not create_pr:
                if token_facts(user).get("role") == "read":
                    raise HubError(f"{repository}: the token may only read. Make one with the role `write`.")
                # A token of a login by browser has no role, so the Hub is asked what it may do.
                api.auth_check(repository, repo_type=kind, write=True)
            if create_pr or private:
                _check_visibility(api.repo_info(repository, repo_type=kind), repository, kind, private)
        except RepositoryNotFoundError:
            if create_pr:
                raise
            _check_owner(repository, user)  # The push will create the repository.
        except HfHubHTTPError as error:
            if status_of(error) == 403:
                _check_owner(repository, user)
            raise


def _check_owner(repository, user):
    """Raise an error unless the owner of a repository is the user, or an organisation of the user.

    Args:
        repository: `OWNER/NAME`.
        user: answer of `HfApi.whoami`.
    """
    owner, owners = repository.split("/")[0], [user["name"], *(one["name"] for one in user.get("orgs") or ())]
    if owner not in owners:
        raise HubError(
            f"{repository}: the token belongs to {user['name']}, who may not write there. "
            f"Received: {owner}, expected: {' or '.join(owners)}"
        )


def _check_visibility(info, repository, kind, private):
    """Raise an error if a repository is public (`info` is an answer of `HfApi.repo_info`) but must be private."""
    if private and not info.private:
        settings = f"hf repos settings {repository}{' --type space' * (kind == 'space')} --private"
        raise HubError(
            f"{repository}: --private makes a new repository private, and this one is there and public. "
            f"Make it private first, with `{settings}` or in its settings on the Hub, or leave --private out."
        )
