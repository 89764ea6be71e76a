"""Routes for the settings of a Space."""

from fastapi import APIRouter, Request

from hub_double.state import now

router = APIRouter()


@router.post("/api/spaces/{owner}/{name}/secrets")
async def add_secret(request: Request, owner: str, name: str):
    space = request.app.state.hub.repository(request, "spaces", owner, name, write=True)
    row = await request.json()
    space.secrets[row["key"]] = row
    return {}


@router.get("/api/spaces/{owner}/{name}/secrets")
async def secrets(request: Request, owner: str, name: str):
    space = request.app.state.hub.repository(request, "spaces", owner, name, write=True)
    return {key: {"key": key, "updatedAt": now()} for key in space.secrets}


@router.delete("/api/spaces/{owner}/{name}/secrets")
async def delete_secret(request: Request, owner: str, name: str):
    space = request.app.state.hub.repository(request, "spaces", owner, name, write=True)
    del space.secrets[(await request.json())["key"]]
    return {}


@router.post("/api/spaces/{owner}/{name}/variables")
async def add_variable(request: Request, owner: str, name: str):
    space = request.app.state.hub.repository(request, "spaces", owner, name, write=True)
    row = await request.json()
    space.variables[row["key"]] = row | {"updatedAt": now()}
    return space.variables


@router.get("/api/spaces/{owner}/{name}/variables")
async def variables(request: Request, owner: str, name: str):
    return request.app.state.hub.repository(request, "spaces", owner, name, write=True).variables


@router.delete("/api/spaces/{owner}/{name}/variables")
async def delete_variable(request: Request, owner: str, name: str):
    space = request.app.state.hub.repository(request, "spaces", owner, name, write=True)
    del space.variables[(await request.json())["key"]]
    return space.variables


@router.post("/api/spaces/{owner}/{name}/hardware")
async def hardware(request: Request, owner: str, name: str):
    space = request.app.state.hub.repository(request, "spaces", owner, name, write=True)
    space.runtime["hardware"]["requested"] = (await request.json())["flavor"]
    return space.runtime


@router.get("/api/spaces/{owner}/{name}/runtime")
async def runtime(request: Request, owner: str, name: str):
    return request.app.state.hub.repository(request, "spaces", owner, name).runtime
