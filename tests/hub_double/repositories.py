"""Routes for the identity of a user, and for creating, describing and tagging repositories."""

import hashlib

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hub_double.card_rules import complaints, metadata_of
from hub_double.state import RefusedError, Repository, StoredFile, now

router = APIRouter()


def base(request):
    return str(request.base_url).rstrip("/")


def page(request, repository):
    prefix = "spaces/" if repository.kind == "spaces" else ""
    return f"{base(request)}/{prefix}{repository.id}"


@router.get("/api/whoami-v2")
async def whoami(request: Request):
    state = request.app.state.hub
    token = state.token(request, required=True)
    user = {"type": "user", "name": state.tokens[token], "orgs": []}
    if token in state.oauth:
        return {**user, "auth": {"type": "oauth"}}
    access = {"displayName": "test", "role": "read" if token in state.read_only else "write"}
    if token in state.fine_grained:
        access |= {"role": "fineGrained", "fineGrained": state.fine_grained[token]}
    return {**user, "auth": {"type": "access_token", "accessToken": access}}


@router.post("/api/repos/create")
async def create(request: Request):
    state = request.app.state.hub
    user, body = state.user(request, required=True), await request.json()
    kind = (body.get("type") or "model") + "s"
    owner = body.get("organization") or user
    repository = Repository(kind, f"{owner}/{body['name']}", body.get("visibility") == "private", sdk=body.get("sdk"))
    if owner != user or not state.may_write(request):
        raise RefusedError(403, f'You don\'t have the rights to create a {kind[:-1]} under the namespace "{owner}"')
    url = page(request, repository)
    if (kind, repository.id) in state.repos:
        message = f"You already created this {kind[:-1]} repo: {repository.id}"
        raise RefusedError(409, message, body={"error": message, "url": url, "name": repository.id})
    if kind == "spaces":
        hardware = body.get("hardware") or "cpu-basic"
        if hardware == "cpu-basic" and body["sdk"] != "static" and not state.paid:
            raise RefusedError(402, "Spaces on this hardware need a paid plan.")
        repository.runtime = {"stage": "NO_APP_FILE", "hardware": {"current": None, "requested": hardware}}
        repository.secrets = {row["key"]: row for row in body.get("secrets") or []}
        repository.variables = {row["key"]: row for row in body.get("variables") or []}
    state.repos[kind, repository.id] = repository
    attributes = b"*.h5 filter=lfs diff=lfs merge=lfs -text\n"
    repository.commit("main", {".gitattributes": StoredFile(len(attributes), attributes)}, "initial commit")
    return {"url": url, "name": repository.id, "id": hashlib.md5(repository.id.encode()).hexdigest()[:24]}


@router.post("/api/validate-yaml")
async def validate(request: Request):
    body = await request.json()
    errors = complaints(metadata_of(body["content"]), body.get("repoType"))
    rows = [{"message": error} for error in errors]
    return JSONResponse({"errors": rows, "warnings": []}, 400 if errors else 200)


@router.get("/api/{kind}/{owner}/{name}")
async def about(request: Request, kind: str, owner: str, name: str):
    return await about_revision(request, kind, owner, name, "main")


@router.get("/api/{kind}/{owner}/{name}/revision/{revision:path}")
async def about_revision(request: Request, kind: str, owner: str, name: str, revision: str):
    repository = request.app.state.hub.repository(request, kind, owner, name)
    commit = repository.find(revision)
    readme = commit.files.get("README.md")
    facts = {
        "_id": hashlib.md5(repository.id.encode()).hexdigest()[:24],
        "id": repository.id,
        "author": owner,
        "sha": commit.sha,
        "lastModified": commit.date,
        "createdAt": now(),
        "private": repository.private,
        "gated": "manual" if repository.gated else False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "cardData": metadata_of(readme.content.decode()) if readme else {},
        "siblings": [{"rfilename": path} for path in sorted(commit.files)],
    }
    extra = {"sdk": repository.sdk, "runtime": repository.runtime} if kind == "spaces" else {"modelId": repository.id}
    return facts | extra


@router.get("/api/{kind}/{owner}/{name}/auth-check")
async def may_read(request: Request, kind: str, owner: str, name: str):
    request.app.state.hub.repository(request, kind, owner, name, content=True)
    return {}


@router.get("/api/{kind}/{owner}/{name}/auth-check/write")
async def may_write(request: Request, kind: str, owner: str, name: str):
    request.app.state.hub.repository(request, kind, owner, name, write=True)
    return {}


@router.get("/api/{kind}/{owner}/{name}/tree/{revision:path}")
async def tree(request: Request, kind: str, owner: str, name: str, revision: str):
    repository = request.app.state.hub.repository(request, kind, owner, name)
    rows = []
    for path, file in sorted(repository.find(revision).files.items()):
        row = {"type": "file", "oid": file.git_oid, "size": file.size, "path": path}
        if file.sha256:
            row["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 130}
        rows.append(row)
    return rows


@router.post("/api/{kind}/{owner}/{name}/tag/{revision:path}")
async def tag(request: Request, kind: str, owner: str, name: str, revision: str):
    repository = request.app.state.hub.repository(request, kind, owner, name, write=True)
    ref = f"refs/tags/{(await request.json())['tag']}"
    if ref in repository.refs:
        raise RefusedError(409, f"Tag reference exists already: {ref}")
    repository.refs[ref] = repository.find(revision).sha
    return {}


@router.get("/api/{kind}/{owner}/{name}/refs")
async def refs(request: Request, kind: str, owner: str, name: str):
    repository = request.app.state.hub.repository(request, kind, owner, name)
    tags = [
        {"name": ref.removeprefix("refs/tags/"), "ref": ref, "targetCommit": sha}
        for ref, sha in repository.refs.items()
        if ref.startswith("refs/tags/")
    ]
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.refs["main"]}
    return {"branches": [main], "converts": [], "tags": tags}
