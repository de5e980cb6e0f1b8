"""The simulator on a real socket, in pytest, and on its own feet."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

import ims_async.simulator as package
from ims_async.simulator import Simulator

from .simulator_portal import BASE, Portal, save_line

FOLDER = Path(package.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))


async def test_a_save_over_a_socket_is_the_same_as_in_memory() -> None:
    """Send a save and ask for its status with a real HTTP client."""
    async with Simulator(job_seconds=0) as simulator, aiohttp.ClientSession() as session:
        portal = Portal(simulator)
        headers = {"x-api-key": "key_test_demo", "Authorization": portal.token}
        body = portal.body("save", {"b2b": [save_line(portal.row(portal.free()), "A")]})
        url = f"{simulator.url}{BASE}/invoices/status"
        async with session.post(f"{url}/save", json=body, headers=headers) as response:
            assert (response.status, response.content_type) == (200, "application/json")
            reply = await response.json()
        reference = reply["data"]["data"]["reference_id"]
        async with session.get(url, params={"reference_id": reference}, headers=headers) as response:
            status = await response.json()
        assert status["data"]["data"] == portal.status(reference)
        assert simulator.requests[-3].body_size == len(json.dumps(body))


async def test_paths_and_queries_arrive_as_they_were_sent() -> None:
    """Send an escaped query and get a 404 with the envelope."""
    async with Simulator(invoices=0, rate_limit=5) as simulator, aiohttp.ClientSession() as session:
        assert simulator.url.startswith("http://127.0.0.1:")
        async with session.get(f"{simulator.url}/no%20where?a=%2F+b") as response:
            assert response.status == 404
            assert response.headers["x-ratelimit-remaining"] == "4"
            assert (await response.json())["message"] == "Not Found"
        (request,) = simulator.requests
        assert (request.path, request.query) == ("/no where", {"a": "/ b"})


async def test_there_is_an_address_only_inside_the_context() -> None:
    """Ask before and after; come back a second time; take a port that is in use."""
    simulator = Simulator(invoices=0)
    with pytest.raises(RuntimeError, match="async with"):
        _ = simulator.url
    async with simulator:
        port = int(simulator.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=str(port)):
            await Simulator(invoices=0, port=port).__aenter__()
    with pytest.raises(RuntimeError, match="async with"):
        _ = simulator.url
    async with simulator:
        assert simulator.url


def test_the_transport_answers_as_handle_does() -> None:
    """Call through `transport` what `handle` answers."""
    simulator = Simulator(invoices=0)
    status, _, content = simulator.transport.handle("GET", "/", {}, b"")
    assert (status, json.loads(content)["code"]) == (404, 404)


def test_the_fixture_has_two_taxpayers_with_forty_records_each(ims_simulator: Simulator) -> None:
    """Use the pytest plugin without options; jobs are done at once."""
    assert len(ims_simulator.gstins) == 2
    assert {len(ims_simulator.records(gstin)) for gstin in ims_simulator.gstins} == {40}
    portal = Portal(ims_simulator)
    assert portal.act(portal.free(), "A")["status_cd"] == "P"


@pytest.mark.ims_simulator(invoices=9, seed=1)
class TestMarker:
    """The marker on a class, and on a test of it."""

    @pytest.mark.ims_simulator(taxpayers=3, invoices=10)
    def test_the_closest_marker_wins_option_by_option(self, ims_simulator: Simulator) -> None:
        """Take what the test says, then what the class says."""
        assert len(ims_simulator.records(ims_simulator.gstins[0])) == 10
        assert ims_simulator.gstins == Simulator(seed=1, taxpayers=3).gstins

    def test_the_marker_of_the_class_is_enough(self, ims_simulator: Simulator) -> None:
        """Take what the class says."""
        assert len(ims_simulator.records(ims_simulator.gstins[0])) == 9


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_no_module_imports_another_part_of_the_library(module: Path) -> None:
    """Allow the standard library, the package itself, aiohttp in the server and pytest in the plugin."""
    allowed = {*sys.stdlib_module_names}
    allowed |= {"server.py": {"aiohttp"}, "plugin.py": {"pytest"}}.get(module.name, set())
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            depth = len(module.relative_to(FOLDER).parts)
            assert node.level <= depth, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            assert str(node.module).split(".")[0] in allowed, ast.unparse(node)
        elif isinstance(node, ast.Import):
            assert all(alias.name.split(".")[0] in allowed for alias in node.names), ast.unparse(node)


def test_a_simulator_in_memory_needs_no_http_library() -> None:
    """Block aiohttp, then use the simulator; its package is loaded without the rest of the library."""
    script = (
        "import sys, types, importlib.machinery\n"
        "sys.modules['aiohttp'] = None\n"
        "shell = types.ModuleType('ims_async')\n"
        f"shell.__path__ = [{str(MODULES[0].parent.parent)!r}]\n"
        "sys.modules['ims_async'] = shell\n"
        "from ims_async.simulator import Simulator\n"
        "assert Simulator().handle('GET', '/', {})[0] == 404\n"
        "loaded = {name.split('.')[1] for name in sys.modules if name.startswith('ims_async.')}\n"
        "assert loaded == {'simulator'}\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_the_package_shows_its_public_names_and_no_others() -> None:
    """Fetch every name of `__all__`, and miss another."""
    assert all(getattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        package.__getattr__("nothing")
