"""Check, before any work is done, that the token may push to a repository on the Hub."""

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, RepositoryNotFoundError

from fer.hub.client import check_name, token_facts
from fer.hub.errors import FAILURES, HubError, explain, status_of


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
    try:
        user = api.whoami()
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
    except LocalTokenNotFoundError:
        raise HubError("A token is needed to push: set HF_TOKEN, or run `hf auth login`.") from None
    except FAILURES as error:
        raise HubError(f"{repository}: {explain(error)}") from None


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
