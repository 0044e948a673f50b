"""Node.js, which comes with the development requirements, for clients that are written in JavaScript."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers import ROOT

NODE = Path(sys.executable).with_name("node")
MODULES = ROOT / "tests" / "js"


def run(module: str, **given: Any) -> Any:
    """Run a module of tests/js with `given`, and return what it has seen; fail with its words if it fails."""
    assert (ROOT / "node_modules").is_dir(), "npm install has not been run: make test does it"
    done = subprocess.run(
        [NODE, MODULES / module], input=json.dumps(given), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
