"""Files. The routes know the interface in store.py; who keeps the bytes is behind it."""

from flask import Flask, current_app

from web.config import Config
from web.db import database
from web.errors import ApiError
from web.files.folder import FolderFiles
from web.files.links import Links
from web.files.project import ProjectFiles
from web.files.store import Bucket, FileRow, Files
from web.project import Project
from web.tokens import SERVICE, Caller

# The columns by name: on Supabase the tables have more.
_BUCKET = """
select id, public, coalesce(file_size_limit, 52428800) as file_size_limit, allowed_mime_types
from storage.buckets
where id = %(id)s
"""
_NAMES = """
select name from storage.objects where bucket_id = %(bucket_id)s and name collate "C" = any (%(names)s::text[])
"""
_FIND = """
select id, bucket_id, name, version, created_at, updated_at,
  coalesce(metadata, '{}') as metadata, coalesce(user_metadata, '{}') as user_metadata,
  case when %(called)s = '' then private.file_label(name, user_metadata)
    else private.file_label(%(called)s, null) end as label
from storage.objects
where bucket_id = %(bucket_id)s and name collate "C" = %(name)s and not private.is_going(bucket_id, name)
"""


def files_of(config: Config) -> Files:
    """Return the keeper of files of these settings."""
    folder = config.data_dir.resolve() / "files"
    if config.supabase_url:
        return ProjectFiles(Project(config), folder / "drafts")
    return FolderFiles(folder)


def init_app(app: Flask, config: Config) -> None:
    """Choose who keeps the files."""
    app.extensions["baton_files"] = files_of(config)
    app.extensions["baton_links"] = Links(config)


def files() -> Files:
    """Return the keeper of files of the current app."""
    found: Files = current_app.extensions["baton_files"]
    return found


def links() -> Links:
    """Return what signs links to files in the current app."""
    found: Links = current_app.extensions["baton_links"]
    return found


def find_bucket(bucket_id: str) -> Bucket:
    """Return a bucket; raises ApiError NoSuchBucket."""
    rows = [] if "\0" in bucket_id else database().ask(SERVICE, _BUCKET, {"id": bucket_id}).dicts()
    if not rows:
        raise ApiError(404, "NoSuchBucket", "Bucket not found")
    return Bucket(**rows[0])


def find_names(caller: Caller, bucket_id: str, names: list[str]) -> set[str]:
    """Return those of the names that are files which `caller` may see."""
    wanted = [name for name in names if "\0" not in name]
    rows = [] if "\0" in bucket_id else database().ask(caller, _NAMES, {"bucket_id": bucket_id, "names": wanted}).rows
    return {name for (name,) in rows}


def find_file(caller: Caller, bucket_id: str, name: str, called: str = "") -> FileRow:
    """Return what is known of a file that `caller` may see; raises ApiError NoSuchKey, InvalidKey.

    Its label is what it is `called`, where that is said.
    """
    if "\0" in bucket_id + name + called:
        raise ApiError(400, "InvalidKey", "Invalid key: it has a null character")
    rows = database().ask(caller, _FIND, {"bucket_id": bucket_id, "name": name, "called": called}).dicts()
    if not rows:
        raise ApiError(404, "NoSuchKey", "Object not found")
    return FileRow(**rows[0])
