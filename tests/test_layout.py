"""The repository's shape: what a reader may rely on without looking."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "voiceagent": ROOT / "voiceagent",
    "codec": ROOT / "codec" / "voiceagent_codec",
    "kernels": ROOT / "kernels" / "voiceagent_kernels",
}
TOP_LEVEL = {
    *("pyproject.toml", "README.md", "voiceagent", "codec", "kernels", "web", "deploy", "tests"),
    *("benchmarks", "Makefile", "LICENSE", ".gitignore", ".ci", ".git", "requirements.lock"),
}
#: Not mirrored one to one: definitions without behaviour, and the scaffolding of tests itself.
UNMIRRORED = {
    "errors.py",
    "clock.py",
    "laws.py",
}


def modules():
    """Every module of behaviour: room and path inside its package."""
    for room, package in PACKAGES.items():
        for path in package.rglob("*.py"):
            inside = path.relative_to(package)
            if not path.name.startswith("_") and path.name not in UNMIRRORED:
                yield pytest.param(room, inside, id=f"{room}/{inside}")


@pytest.mark.parametrize(("room", "inside"), list(modules()))
def test_every_module_has_a_test_file_of_its_name(room, inside):
    parts = [part for part in inside.parent.parts if part != "reference"]
    folder = ROOT / "tests" / Path(*([] if room == "voiceagent" else [room]), *parts)
    assert (folder / f"test_{inside.name}").exists(), f"no test file for {room}/{inside}"


@pytest.mark.parametrize("room", ["codec", "kernels", "tests"])
def test_rooms_that_are_no_packages_hold_no_init(room):
    assert not (ROOT / room / "__init__.py").exists()


def test_no_test_folder_is_a_package():
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_every_package_is_typed(package):
    assert (package / "py.typed").exists()


def test_the_readme_fits_200_lines():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_nothing_stands_at_the_top_level_but_the_rooms():
    extra = {path.name for path in ROOT.iterdir()} - TOP_LEVEL
    ignored = {".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", "answer.wav"}
    assert {n for n in extra - ignored if not n.startswith((".venv-", ".import_linter"))} == set()


def test_no_init_imports_anything_heavy():
    for package in PACKAGES.values():
        for path in package.rglob("__init__.py"):
            imported = {
                name.name.split(".")[0]
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Import)
                for name in node.names
            }
            assert not imported & {"torch", "scipy", "onnx", "onnxruntime", "hibari"}, path


def test_the_readmes_hold_no_placeholder():
    for path in (ROOT / "README.md", ROOT / "benchmarks" / "README.md"):
        assert not re.search(r"@[A-Z]+@|TODO|TBD", path.read_text()), path
