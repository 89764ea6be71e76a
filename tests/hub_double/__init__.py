"""A stand-in for the Hugging Face Hub on loopback, for tests: models and Spaces as huggingface_hub 2.4 sees them.

    with HubDouble() as hub:
        hub.url        # for HF_ENDPOINT
        hub.repos      # the state: what was created and committed
        hub.requests   # every request: method, path with query, status
        hub.fail("commit", 503)

    state           repositories, commits and faults, in memory
    repositories    identity of a user; creating, describing and tagging repositories
    uploads         preupload, LFS, Xet tokens, commits
    downloads       files of a revision, with redirects to a "CDN" on another origin
    spaces          secrets, variables, runtime
    card_rules      the documented rules for a card's metadata

It implements what the client requests and the Hub's public documentation describes, and nothing else of the real Hub.
"""

from hub_double.server import HubDouble

__all__ = ["HubDouble"]
