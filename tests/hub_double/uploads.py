"""Routes of an upload: preupload, LFS, Xet tokens, and the commit."""

import base64
import hashlib
import json
import time
from fnmatch import fnmatch

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from hub_double.card_rules import complaints, metadata_of
from hub_double.repositories import base, page
from hub_double.state import LFS_SIZE, RefusedError, StoredFile, goes_to_lfs

router = APIRouter()


@router.post("/api/{kind}/{owner}/{name}/preupload/{revision:path}")
async def preupload(request: Request, kind: str, owner: str, name: str, revision: str):
    asks = request.query_params.get("create_pr") == "1"
    repository = request.app.state.hub.repository(request, kind, owner, name, write=not asks)
    commit = repository.find(revision)
    rules = commit.files.get(".gitignore")
    ignored = rules.content.decode().split() if rules else []
    rows = []
    for file in (await request.json())["files"]:
        large = goes_to_lfs(file["path"], file["size"], base64.b64decode(file["sample"]))
        there = commit.files.get(file["path"])
        rows.append(
            {
                "path": file["path"],
                "uploadMode": "lfs" if large else "regular",
                "oid": (there.sha256 or there.git_oid) if there else None,
                "shouldIgnore": any(fnmatch(file["path"], pattern) for pattern in ignored),
            }
        )
    return {"files": rows, "commitOid": commit.sha}


@router.post("/{repo:path}.git/info/lfs/objects/batch")
async def lfs_batch(request: Request, repo: str):
    state = request.app.state.hub
    state.user(request, required=True)
    rows = []
    for wanted in (await request.json())["objects"]:
        row = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] not in state.large:
            row |= {"authenticated": True, "actions": {"upload": {"href": f"{base(request)}/_lfs/{wanted['oid']}"}}}
        rows.append(row)
    return JSONResponse({"transfer": "basic", "objects": rows}, media_type="application/vnd.git-lfs+json")


@router.put("/_lfs/{oid}")
async def lfs_put(request: Request, oid: str):
    content = await request.body()
    if hashlib.sha256(content).hexdigest() != oid:
        raise RefusedError(422, "sha256 mismatch")
    request.app.state.hub.large[oid] = content
    return Response()


@router.get("/api/{kind}/{owner}/{name}/xet-{access}-token/{revision:path}")
async def xet_token(request: Request, kind: str, owner: str, name: str, access: str, revision: str):
    state = request.app.state.hub
    state.repository(request, kind, owner, name, write=access == "write", content=True)
    if state.xet is None:
        raise RefusedError(404, "This double has no Xet store")
    store, expires = f"local://{state.xet}", int(time.time()) + 3600
    headers = {"X-Xet-Cas-Url": store, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(expires)}
    return JSONResponse({"casUrl": store, "accessToken": "xet", "exp": expires}, headers=headers)


@router.post("/api/{kind}/{owner}/{name}/commit/{revision:path}")
async def commit(request: Request, kind: str, owner: str, name: str, revision: str):
    state = request.app.state.hub
    asks = request.query_params.get("create_pr") == "1"
    state.user(request, required=True)
    repository = state.repository(request, kind, owner, name, write=not asks)
    before = repository.find(revision)
    header, *operations = (json.loads(line) for line in (await request.body()).splitlines() if line.strip())
    parent = header["value"].get("parentCommit")
    if parent and not before.sha.startswith(parent):
        raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(before.files)
    for operation in operations:
        _apply(state, kind, files, operation["key"], operation["value"])
    answer = {"success": True, "hookOutput": ""}
    ref = "main"
    if asks:
        repository.pull_requests += 1
        ref = f"refs/pr/{repository.pull_requests}"
        answer["pullRequestUrl"] = f"{page(request, repository)}/discussions/{repository.pull_requests}"
    after = repository.commit(ref, files, header["value"]["summary"])
    if kind == "spaces":
        entry = "index.html" if repository.sdk == "static" else "app.py"
        repository.runtime["stage"] = "RUNNING" if entry in files else "NO_APP_FILE"
    return answer | {"commitOid": after.sha, "commitUrl": f"{page(request, repository)}/commit/{after.sha}"}


def _apply(state, kind, files, operation, value):
    """Apply one line of a commit to the files of the commit before."""
    path = value["path"]
    if operation == "file":
        content = base64.b64decode(value["content"])
        if len(content) > LFS_SIZE:
            raise RefusedError(400, f"{path}: files larger than 10 MiB must go through LFS/Xet")
        if path == "README.md" and (errors := complaints(metadata_of(content.decode()), kind[:-1])):
            raise RefusedError(400, "Invalid metadata: " + "; ".join(errors))
        files[path] = StoredFile(len(content), content)
    elif operation == "lfsFile":
        if value["oid"] not in state.large and state.xet is None:
            raise RefusedError(400, f"LFS pointer pointed to a file that does not exist: {path}")
        files[path] = StoredFile(value["size"], sha256=value["oid"])
    elif operation == "deletedFile":
        if files.pop(path, None) is None:
            raise RefusedError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
    else:
        raise RefusedError(400, f"unknown operation {operation}")
