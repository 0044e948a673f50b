"""Uploads under load: a part of what `make uploads` does for longer."""

import random
import tempfile
from pathlib import Path

from tests.files.upload_soak import ENVIRONMENT, Load
from tests.live.world import World

UPLOADS = 600


def test_parallel_uploads_are_kept_or_leave_nothing() -> None:
    with tempfile.TemporaryDirectory(prefix="baton-test-", ignore_cleanup_errors=True) as folder:
        world = World(Path(folder), {"max_connections": "100"})
        try:
            world.start(webs=1, **ENVIRONMENT)
            load = Load(world, UPLOADS, 32, random.Random(1))  # noqa: S311
            load.run()
        finally:
            world.stop()
    assert len(load.kept) + len(load.aborted) + len(load.failures) == UPLOADS
    assert len(load.aborted) > UPLOADS / 5
