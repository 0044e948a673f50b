"""How gunicorn runs the app: processes, their shutdown, and the sockets and background jobs in each of them.

Runs in gunicorn's master, before anything is monkey-patched: nothing here may import psycopg at the
top, or it would choose a way of waiting that blocks the whole process.
"""

from __future__ import annotations

import gc
import os
import resource
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.ggevent import GeventWorker

bind = [f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ.get('PORT') or '8000'}"]
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
# A greenlet a request: a thousand open sockets cost memory, not threads. The worker patches the
# standard library before it loads the app, so psycopg waits cooperatively.
worker_class = "gevent"
_socket_limit = int(os.environ.get("BATON_SOCKET_LIMIT") or 4500)
worker_connections = _socket_limit + 500  # so that HTTP is answered when there is no room for another socket
# Loaded in each worker, after the patching and after the fork: no connection is shared by two.
preload_app = False
# A worker that has not answered its master for so long is replaced.
timeout = 60
graceful_timeout = 3  # an idle keep-alive connection holds a stop for all of it
keepalive = 75
limit_request_line = 8190
limit_request_field_size = 16380  # a token with a large user_metadata is a header of some kilobytes
forwarded_allow_ips = ""  # the app's own BATON_TRUSTED_PROXIES decides whom to believe
control_socket_disable = True
# The worker's sign of life, written every second: in memory, where there is such a folder.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
accesslog = None  # the app logs its requests itself, structured
loglevel = (os.environ.get("GUNICORN_LOG_LEVEL") or "warning").lower()
proc_name = "baton"


def on_starting(server: Arbiter) -> None:
    """Let the processes open enough files, and give them a folder in which they put their metrics together."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < worker_connections + 1000:
        wanted = worker_connections + 1000
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most)
        )
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="baton-metrics-")


def on_exit(server: Arbiter) -> None:
    """Remove it."""
    shutil.rmtree(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""), ignore_errors=True)


def post_fork(server: Arbiter, worker: GeventWorker) -> None:
    """Collect no garbage while the app loads, a seventh of that time; `post_worker_init` begins with it again."""
    gc.disable()


def post_worker_init(worker: GeventWorker) -> None:
    """Start the background jobs and what serves sockets in this process."""
    from functions.scheduler import Scheduler

    worker.jobs = Scheduler(os.environ["DATABASE_URL"])
    worker.jobs.start()
    # The worker itself looks once a second whether it is to end: sockets are sent away sooner.
    worker.wsgi.extensions["baton_live"].start(is_ending=lambda: not worker.alive)
    # What has been loaded stays: looking through it for garbage would hold up everybody for a tenth of a second.
    gc.collect()
    gc.freeze()
    gc.enable()


def worker_exit(server: Arbiter, worker: GeventWorker) -> None:
    """Stop them with it, and let go of the database."""
    app = getattr(worker, "wsgi", None)  # missing when it could not be loaded
    if app is not None:
        app.extensions["baton_live"].end()
    jobs = getattr(worker, "jobs", None)
    if jobs is not None:
        jobs.stop()
    if app is not None:
        app.extensions["baton_database"].pool.close(timeout=2)


def child_exit(server: Arbiter, worker: GeventWorker) -> None:
    """Take a dead process's gauges out of the metrics; its counts stay."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
