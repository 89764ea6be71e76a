"""Whether the token may push to a repository of the Hub, before any work is done."""

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, RepositoryNotFoundError

from fer.hub.client import check_name, read_access
from fer.hub.errors import FAILURES, HubError, explain, status_of


def check_push(repository, create_pr=False, kind="model", private=None):
    """Make sure, before any work is done, that the token may push to a repository or create it.

    Args:
        repository: `OWNER/NAME`.
        create_pr: only a pull request is wanted, for which the repository must be there.
        kind: `model` or `space`.
        private: whether it is to be private; a public one that is there is refused then.

    Raises:
        HubError: with a sentence that says what is missing.
    """
    check_name(repository)
    api = HfApi()
    try:
        user = api.whoami()
        try:
            if not create_pr:
                if read_access(user).get("role") == "read":
                    raise HubError(f"{repository}: the token may only read. Make one with the role `write`.")
                # The Hub knows best what a token may do in a repository: one of a login by browser tells no role.
                api.auth_check(repository, repo_type=kind, write=True)
            if create_pr or private:
                _check_visibility(api.repo_info(repository, repo_type=kind), repository, kind, private)
        except RepositoryNotFoundError:
            if create_pr:
                raise
            _check_owner(repository, user)  # The push will create it.
        except HfHubHTTPError as error:
            if status_of(error) == 403:
                _check_owner(repository, user)
            raise
    except LocalTokenNotFoundError:
        raise HubError("A token is needed to push: set HF_TOKEN, or run `hf auth login`.") from None
    except FAILURES as error:
        raise HubError(f"{repository}: {explain(error)}") from None


def _check_owner(repository, user):
    """Refuse a repository of others than those that `HfApi.whoami` names."""
    owner, owners = repository.split("/")[0], [user["name"], *(one["name"] for one in user.get("orgs") or ())]
    if owner not in owners:
        raise HubError(
            f"{repository}: the token belongs to {user['name']}, who may not write there. "
            f"Received: {owner}, expected: {' or '.join(owners)}"
        )


def _check_visibility(info, repository, kind, private):
    """Refuse a public repository, as `HfApi.repo_info` tells of it, where a private one is wanted."""
    if private and not info.private:
        settings = f"hf repos settings {repository}{' --type space' * (kind == 'space')} --private"
        raise HubError(
            f"{repository}: --private makes a new repository private, and this one is there and public. "
            f"Make it private first, with `{settings}` or in its settings on the Hub, or leave --private out."
        )
