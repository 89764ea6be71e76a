"""Server of the stand-in: its routes, its faults, its log of requests."""

import hashlib
import socket
import threading
import time

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from hub_double import downloads, repositories, spaces, uploads
from hub_double.state import Fault, RefusedError, Repository, State, StoredFile, goes_to_lfs


class HubDouble:
    """Context manager that serves the Hub on a free port of 127.0.0.1, and its CDN on `localhost`, another origin.

    Tests set the rules of access in `state`, a `State`: tokens, read_only, fine_grained, oauth, paid, xet.
    """

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._cdn = f"http://localhost:{port}"
        self.app = _build_app()
        self.reset()
        # uvicorn would print an error for each answer that a test cuts.
        config = uvicorn.Config(self.app, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self):
        self._socket.listen(64)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join(10)

    def reset(self):
        """Delete all data."""
        self.app.state.hub = State(cdn=self._cdn)

    @property
    def state(self):
        return self.app.state.hub

    @property
    def repos(self):
        return self.state.repos

    @property
    def requests(self):
        return self.state.requests

    def model(self, name):
        """Return the repository of a model."""
        return self.state.repos["models", name]

    def read(self, name):
        """Return the contents of the files at the head of a model repository, by path."""
        files = self.model(name).head.files
        return {path: file.content or self.state.large.get(file.sha256, b"") for path, file in files.items()}

    def put(self, folder, name, **rules):
        """Create or replace a model's repository with the files of a folder, and return the commit's sha.

        Args:
            folder: folder of the files; folders within it are left out.
            name: `owner/name`.
            rules: `private` and `gated` of `Repository`.
        """
        files = {}
        for path in folder.iterdir():
            if not path.is_file():
                continue
            content = path.read_bytes()
            files[path.name] = StoredFile(len(content), content)
            if goes_to_lfs(path.name, len(content)):
                sha256 = hashlib.sha256(content).hexdigest()
                self.state.large[sha256] = content
                files[path.name] = StoredFile(len(content), sha256=sha256)
        self.repos["models", name] = Repository("models", name, **rules)
        return self.model(name).commit("main", files, "put").sha

    def write(self, kind, name, files):
        """Create a repository, `models` or `spaces`, with texts by path, as somebody else made it."""
        repository = self.state.repos[kind, name] = Repository(kind, name)
        stored = {path: StoredFile(len(text), text.encode()) for path, text in files.items()}
        repository.commit("main", stored, "Upload")
        return repository

    def fail(self, part, status, times=1, method=None):
        """Answer the next `times` requests whose path contains `part` with an error."""
        self.state.faults += [Fault(part, status, method) for _ in range(times)]

    def cut(self, part):
        """Close the connection in the middle of the next file whose path contains `part`."""
        self.state.faults.append(Fault(part, method="GET"))


def _build_app():
    app = FastAPI(openapi_url=None)
    for module in (repositories, uploads, spaces, downloads):
        app.include_router(module.router)

    @app.exception_handler(RefusedError)
    async def refuse(request: Request, refusal: RefusedError):
        code = {"X-Error-Code": refusal.code} if refusal.code else {}
        headers = {"X-Error-Message": refusal.message, **code, **refusal.headers}
        return JSONResponse(refusal.body, refusal.status, headers=headers)

    @app.middleware("http")
    async def log_and_fail(request: Request, call_next):
        state = app.state.hub
        fault = next((fault for fault in state.faults if fault.concerns(request)), None)
        if fault:
            state.faults.remove(fault)
        if fault and fault.status:
            response = JSONResponse({"error": "injected"}, fault.status)
        else:
            response = await call_next(request)
            if fault:
                response = await _cut(response)
        query = f"?{request.url.query}" if request.url.query else ""
        state.requests.append((request.method, request.url.path + query, response.status_code))
        return response

    return app


async def _cut(response):
    """Return the first half of a response whose header promises all of it."""
    content = b"".join([chunk async for chunk in response.body_iterator])

    async def half():
        yield content[: len(content) // 2]
        raise ConnectionError("cut, as the test asked")

    return StreamingResponse(half(), response.status_code, dict(response.headers))
