"""State of the stand-in: users, repositories, commits, files."""

import fnmatch
import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

LFS_NAMES = ("*.h5", "*.onnx", "*.tflite", "*.npz", "*.zip", "*tfevents*")
"""The part of the Hub's default .gitattributes that concerns this project."""
LFS_SIZE = 10 * 1024 * 1024
"""Size in bytes above which a file must go through LFS or Xet."""


class RefusedError(Exception):
    """Error response in the words of the Hub: status, message, and code of `X-Error-Code`."""

    def __init__(self, status, message, code=None, headers=None, body=None):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.headers, self.body = headers or {}, body or {"error": message}


@dataclass
class Fault:
    """Fault of the next request whose path contains `part`: an error status, or a body cut in the middle."""

    part: str
    status: int | None = None
    method: str | None = None

    def concerns(self, request):
        return self.part in request.url.path and self.method in (None, request.method)


@dataclass
class StoredFile:
    """A file of a commit: its content, or the sha256 under which LFS or Xet keeps it."""

    size: int
    content: bytes | None = None
    sha256: str | None = None

    @property
    def git_oid(self):
        content = self.content
        if content is None:
            content = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()
            )
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Commit:
    sha: str
    title: str
    date: str
    files: dict[str, StoredFile]


@dataclass
class Repository:
    kind: str  # models or spaces
    id: str
    private: bool = False
    gated: bool = False
    sdk: str | None = None
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    secrets: dict = field(default_factory=dict)
    variables: dict = field(default_factory=dict)
    runtime: dict = field(default_factory=dict)
    pull_requests: int = 0

    @property
    def head(self):
        return self.commits[self.refs["main"]]

    def find(self, revision):
        """Return the commit of a branch, tag or sha."""
        for name in (revision, f"refs/tags/{revision}"):
            if name in self.refs:
                return self.commits[self.refs[name]]
        for sha, commit in self.commits.items():
            if len(revision) >= 7 and sha.startswith(revision):
                return commit
        raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def commit(self, ref, files, title):
        """Add a commit to a ref, and return it."""
        seed = json.dumps([ref, title, time.time_ns(), sorted((path, file.git_oid) for path, file in files.items())])
        commit = Commit(hashlib.sha1(seed.encode()).hexdigest(), title, now(), files)
        self.commits[commit.sha] = commit
        self.refs[ref] = commit.sha
        return commit


@dataclass
class State:
    """All data of the stand-in, and the rules of access.

    tokens: names of users by token; a user owns the repositories `name/…`, and may write unless the next two say no.
    read_only: tokens with the role `read`.
    fine_grained: permissions of fine-grained tokens, `global` and `scoped`, as `whoami` returns them.
    oauth: tokens of a login by browser, for which `whoami` returns no role.
    paid: whether Spaces on plain CPUs may be created.
    cdn: origin of large files; None serves them from the endpoint itself.
    xet: folder of a local Xet store; None speaks LFS only.
    """

    tokens: dict = field(default_factory=lambda: {"hf_write": "fer-bot"})
    read_only: set = field(default_factory=set)
    fine_grained: dict = field(default_factory=dict)
    oauth: set = field(default_factory=set)
    paid: bool = False
    cdn: str | None = None
    xet: str | None = None
    repos: dict[tuple[str, str], Repository] = field(default_factory=dict)
    renamed: dict[tuple[str, str], str] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, int]] = field(default_factory=list)

    def token(self, request, required=False):
        """Return the valid token of a request, or None."""
        header = request.headers.get("authorization", "")
        token = header.removeprefix("Bearer ").strip()
        if header and token not in self.tokens:
            raise RefusedError(401, "Invalid credentials in Authorization header")
        if required and not header:
            raise RefusedError(401, "Invalid username or password.")
        return token or None

    def may_write(self, request):
        """Return whether the token of a request may write anything."""
        token = self.token(request)
        scopes = self.fine_grained.get(token, {"scoped": [{"permissions": ["repo.write"]}]})["scoped"]
        return token not in self.read_only and any("repo.write" in scope["permissions"] for scope in scopes)

    def user(self, request, required=False):
        """Return the name of the user of a request, or None."""
        return self.tokens.get(self.token(request, required))

    def repository(self, request, kind, owner, name, write=False, content=False):
        """Return the repository if the request may see it, read its files (`content`) or change it (`write`)."""
        user = self.user(request)
        repository = self.repos.get((kind, f"{owner}/{name}"))
        if repository is None or (repository.private and user != owner):
            message = "Repository not found" if user else "Invalid username or password."
            raise RefusedError(404 if user else 401, message, "RepoNotFound")
        if content and repository.gated and user != owner:
            message = f"Access to model {repository.id} is restricted and you are not in the authorized list."
            raise RefusedError(403 if user else 401, message, "GatedRepo")
        if write and (user != owner or not self.may_write(request)):
            raise RefusedError(403 if user else 401, f"You don't have write access to {repository.id}")
        return repository


def goes_to_lfs(path, size, sample=b""):
    """Return whether a file goes through LFS, by its name, its size in bytes or its first bytes."""
    return size > LFS_SIZE or b"\0" in sample or any(fnmatch.fnmatch(path, name) for name in LFS_NAMES)


def now():
    """Return the current time as the Hub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
