"""Routes for the files of a revision; large ones by a redirect to another origin, like the Hub's CDN, or by Xet."""

import re
import struct
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from hub_double.repositories import base
from hub_double.state import RefusedError

router = APIRouter()


@router.api_route("/_cdn/{oid}", methods=["GET", "HEAD"])
async def cdn(request: Request, oid: str):
    if "authorization" in request.headers:
        raise RefusedError(400, "the client sent its token to another host")
    return _ranged(request, request.app.state.hub.large[oid], {"ETag": f'"{oid}"'})


@router.api_route("/spaces/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
async def resolve_space(request: Request, owner: str, name: str, revision: str, path: str):
    return _resolve(request, "spaces", owner, name, revision, path)


@router.api_route("/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
async def resolve_model(request: Request, owner: str, name: str, revision: str, path: str):
    return _resolve(request, "models", owner, name, revision, path)


def _resolve(request, kind, owner, name, revision, path):
    state = request.app.state.hub
    new_name = state.renamed.get((kind, f"{owner}/{name}"))
    if new_name:
        return RedirectResponse(f"{base(request)}/{new_name}/resolve/{revision}/{path}", 307)
    commit = state.repository(request, kind, owner, name, content=True).find(revision)
    headers = {"X-Repo-Commit": commit.sha}
    file = commit.files.get(path)
    if file is None:
        raise RefusedError(404, "Entry not found", "EntryNotFound", headers)
    if file.sha256 is None:
        return _ranged(request, file.content, {**headers, "ETag": f'"{file.git_oid}"'})
    headers |= {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.sha256}"', "ETag": f'"{file.git_oid}"'}
    if state.xet:
        headers["X-Xet-Hash"] = xet_hashes(state.xet)[file.sha256]
        headers["X-Xet-Refresh-Route"] = f"{base(request)}/api/{kind}/{owner}/{name}/xet-read-token/{commit.sha}"
    return Response(status_code=302, headers={**headers, "Location": f"{state.cdn}/_cdn/{file.sha256}"})


def _ranged(request, content, headers):
    """Return the bytes in the range of the header `Range`, or all."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    status = 200
    if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", "")):
        first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        content, status = content[first : last + 1], 206
    headers["Content-Length"] = str(len(content))
    return Response(b"" if request.method == "HEAD" else content, status, headers, "application/octet-stream")


def xet_hashes(folder):
    """Return Xet's hash of each file by its sha256, read from the shards that a client wrote to a local store.

    A shard has a header of 48 bytes, then for each file an entry of 48 bytes (hash 32, flags and count of segments as
    uint32), its segments, as many verification entries where the highest flag says so, and where the next flag says so
    an entry whose first 32 bytes are the sha256.
    """
    found = {}
    for shard in Path(folder).rglob("shards/*.mdb"):
        content, position = shard.read_bytes(), 48
        while position + 48 <= len(content):
            file_hash = content[position : position + 32]
            flags, segments = struct.unpack_from("<II", content, position + 32)
            position += 48
            if file_hash == b"\xff" * 32:
                break
            position += 48 * segments * (2 if flags & 1 << 31 else 1)
            if flags & 1 << 30:
                found[_hex(content[position : position + 32])] = _hex(file_hash)
                position += 48
    return found


def _hex(digest):
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", digest))
