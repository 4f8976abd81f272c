"""The rules of the house that can be read from the source: layers, sockets, threads, sizes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "threadchat"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: Each row may import from the rows below it, and from its own package.
LAYERS = (
    {"__main__"},
    {"cli"},
    {"daemon"},
    {"apps", "sdk"},
    {"net", "client", "workers", "history"},
    {"chat"},
    {"wire"},
    {"process"},
    {"config"},
    {"base"},
    {"__init__"},
)

#: Where threads are started; ARCHITECTURE.md lists them.
THREAD_STARTERS = {
    "client/client.py",
    "history/housekeeper.py",
    "net/flusher.py",
    "net/server.py",
    "workers/pool.py",
    "workers/relay_listener.py",
    "workers/rpc_server.py",
    "workers/runners.py",
    "workers/supervisor.py",
    "workers/watch.py",
}

#: Imported in one place each, a package at most, so that it is known what they are for.
SINGLE_USE = {
    "prompt_toolkit": {"client/tui.py", "client/resizing.py"},
    "precis_i18n": {"chat/names.py"},
    "confusable_homoglyphs": {"chat/names.py"},
    "pydantic": {"config/loading.py", "config/sections.py", "config/values.py"},
    "pydantic_core": {"net/handover.py"},
    "wcwidth": {"wire/erase.py"},
    "tomli_w": {"config/loading.py"},
    "yaml": {"config/rr_yaml.py"},
}


def _name(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def _imports(module: Path) -> set[str]:
    """Every module imported anywhere in *module*, but for those needed by the type checker only."""
    tree = ast.parse(module.read_text())
    for_types = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and isinstance(test.test, ast.Name) and test.test.id == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _layer(part: str) -> int:
    (row,) = [row for row, parts in enumerate(LAYERS) if part in parts]
    return row


def _part(module_name: str) -> str:
    """Return the part of the house that a dotted name is in: ``threadchat.net.server`` is in ``net``."""
    parts = module_name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_imports_point_down(module: Path) -> None:
    """A module imports from lower layers and its own package, nothing else of ours."""
    own = _name(module).split("/")[0].removesuffix(".py")
    for imported in _imports(module):
        if imported.split(".")[0] == "threadchat" and _part(imported) != own:
            assert _layer(_part(imported)) > _layer(own), f"{_name(module)} imports {imported}"


def test_wire_and_chat_know_no_socket() -> None:
    """Bytes and values only; no thread and no clock in wire, no clock in chat."""
    for module in MODULES:
        part = _name(module).split("/")[0]
        if part == "wire":
            assert not _imports(module) & {"socket", "selectors", "select", "ssl", "threading", "time"}, module
        if part == "chat":
            assert not _imports(module) & {"socket", "selectors", "select", "ssl", "time"}, module


def test_threads_are_started_where_the_list_says_and_have_names() -> None:
    """The list of threads in ARCHITECTURE.md is complete."""
    starters = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("threading.Thread", "Thread"):
                starters.add(_name(module))
                assert "name" in {keyword.arg for keyword in node.keywords}, f"a nameless thread in {module}"
    assert starters == THREAD_STARTERS


def test_sockets_stay_blocking() -> None:
    """A Python time-out would defeat MSG_DONTWAIT: ``settimeout`` and ``makefile`` are not used under net."""
    for module in MODULES:
        if _name(module).startswith("net/"):
            assert "settimeout(" not in module.read_text()
            assert "makefile(" not in module.read_text()


def test_a_dependency_is_used_in_one_place() -> None:
    """So that the line that argues for it in CONTRIBUTING.md can be checked."""
    for dependency, places in SINGLE_USE.items():
        users = {_name(m) for m in MODULES if dependency in {name.split(".")[0] for name in _imports(m)}}
        assert users <= places, dependency


def test_modules_are_of_a_size_to_be_read() -> None:
    """At 350 lines a file is asked whether it is one idea; none of ours has had to be."""
    assert {_name(m): n for m in MODULES if (n := len(m.read_text().splitlines())) > 350} == {}


def test_tests_mirror_the_modules() -> None:
    """``threadchat/x/y.py`` is tested by ``tests/x/test_y.py``, and the reverse."""
    elsewhere = {"__main__.py", "chat/history.py", "chat/caller.py"}  # run by the integration tests; Protocols only
    modules = {_name(m) for m in MODULES if m.name != "__init__.py"} - elsewhere
    tests = {
        path.relative_to(ROOT / "tests").with_name(path.name.removeprefix("test_")).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if "integration" not in path.parts and path.name not in ("test_architecture.py", "test_model.py")
    }
    assert modules == tests


def test_every_exception_is_in_the_tree() -> None:
    """The tree drawn in errors.py shows every exception of ours."""
    source = (PACKAGE / "base" / "errors.py").read_text()
    tree = ast.parse(source)
    drawn = ast.get_docstring(tree) or ""
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if name.endswith("Error") and name not in drawn] == []
