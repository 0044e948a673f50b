"""Files under Supabase's addresses and in its shapes, so that its clients work against Baton.

The policies on storage.objects decide who may see, bring and remove what.
"""

from io import BytesIO
from typing import Any

from flask import Blueprint, Response, g, request, send_file
from flask.typing import ResponseReturnValue

from web.errors import ApiError
from web.files import files, find_bucket, find_file, find_names, links
from web.files.kinds import fitting
from web.files.names import check_name
from web.files.store import FileRow, Listing
from web.files.upload import take_in
from web.openapi import operation
from web.schemas import (
    FileInfo,
    FileList,
    ListedFiles,
    Removal,
    RemovedFiles,
    SignedLink,
    SignedLinks,
    SignLink,
    SignLinks,
    StorageProblem,
    Uploaded,
)
from web.tokens import SERVICE, Caller, current_caller

blueprint = Blueprint("storage", __name__, url_prefix="/storage/v1/object")


# Slashes as they are: an empty folder in a name is refused, not tidied by a redirection that loses the body.
@blueprint.post("/<bucket_id>/<path:name>", merge_slashes=False)
@operation("Files", Uploaded, problem=StorageProblem, errors=(408, 422))
def upload_file(bucket_id: str, name: str) -> ResponseReturnValue:
    """Bring a file, as a form or as bare bytes; with `x-upsert: true` it may replace one, where that is allowed."""
    return _upload(bucket_id, name, is_upsert=request.headers.get("X-Upsert", "").lower() == "true")


@blueprint.put("/<bucket_id>/<path:name>", merge_slashes=False)
@operation("Files", Uploaded, problem=StorageProblem, errors=(408, 422))
def replace_file(bucket_id: str, name: str) -> ResponseReturnValue:
    """Replace a file, where that is allowed."""
    return _upload(bucket_id, name, is_upsert=True)


@blueprint.get("/<bucket_id>/<path:name>")
@operation("Files", status=(200, 206, 304), errors=(416,), problem=StorageProblem)
def download_file(bucket_id: str, name: str) -> ResponseReturnValue:
    """Read a file that the caller may see."""
    return _sent(_asked_for(current_caller(), bucket_id, name), "private, no-cache")


@blueprint.get("/public/<bucket_id>/<path:name>")
@operation("Files", status=(200, 206, 304), errors=(416,), problem=StorageProblem, is_public=True)
def download_public_file(bucket_id: str, name: str) -> ResponseReturnValue:
    """Read a file of a public bucket, as everybody may."""
    if not find_bucket(bucket_id).public:
        raise ApiError(404, "NoSuchBucket", "Bucket not found")
    file = _asked_for(SERVICE, bucket_id, name)
    response = _sent(file, f"public, {file.metadata.get('cacheControl', 'no-cache')}")
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@blueprint.get("/info/<bucket_id>/<path:name>")
@operation("Files", FileInfo, problem=StorageProblem)
def describe_file(bucket_id: str, name: str) -> ResponseReturnValue:
    """Return what is known of a file that the caller may see."""
    file = find_file(current_caller(), bucket_id, name)
    return {
        "id": file.id,
        "name": file.name,
        "bucket_id": file.bucket_id,
        "version": file.version,
        "size": file.metadata.get("size"),
        "content_type": file.kind,
        "cache_control": file.metadata.get("cacheControl"),
        "etag": file.metadata.get("eTag"),
        "metadata": file.user_metadata,
        "created_at": file.created_at,
        "last_modified": file.updated_at,
    }


@blueprint.post("/sign/<bucket_id>/<path:name>")
@operation("Files", SignedLink, problem=StorageProblem)
def sign_link(bucket_id: str, name: str, json: SignLink) -> ResponseReturnValue:
    """Make a link with which a file can be read for a while; it ends earlier if the caller loses his access."""
    find_file(current_caller(), bucket_id, name)
    return {"signedURL": _link(bucket_id, name, json.expiresIn)}


@blueprint.post("/sign/<bucket_id>")
@operation("Files", SignedLinks, problem=StorageProblem)
def sign_links(bucket_id: str, json: SignLinks) -> ResponseReturnValue:
    """Make links to many files; each has its own error."""
    answers: list[dict[str, Any]] = []
    found = find_names(current_caller(), bucket_id, json.paths)
    for name in json.paths:
        if name in found:
            answers.append({"path": name, "signedURL": _link(bucket_id, name, json.expiresIn), "error": None})
        else:
            answers.append({"path": name, "signedURL": None, "error": "Object not found"})
    return answers


@blueprint.get("/sign/<bucket_id>/<path:name>")
@operation("Files", status=(200, 206, 304), errors=(416,), problem=StorageProblem, is_public=True)
def follow_link(bucket_id: str, name: str) -> ResponseReturnValue:
    """Read a file by a link."""
    caller = links().read(request.args.get("token", ""), bucket_id, name)
    g.is_counted = True  # whoever has the link is not the one who signed it: his limit stays his
    return _sent(_asked_for(caller, bucket_id, name), "private, max-age=300")


@blueprint.delete("/<bucket_id>")
@operation("Files", RemovedFiles, problem=StorageProblem)
def remove_files(bucket_id: str, json: Removal) -> ResponseReturnValue:
    """Remove files; returns those that there were and that the caller may remove."""
    find_bucket(bucket_id)
    return [
        _listed(row) | {"bucket_id": bucket_id} for row in files().remove(current_caller(), bucket_id, json.prefixes)
    ]


@blueprint.post("/list/<bucket_id>")
@operation("Files", ListedFiles, problem=StorageProblem)
def list_files(bucket_id: str, json: FileList) -> ResponseReturnValue:
    """List the files and folders in a folder that the caller may see; folders have no id."""
    find_bucket(bucket_id)
    prefix = json.prefix.strip("/")
    listing = Listing(
        folder=f"{prefix}/" if prefix else "",
        search=json.search,
        sort_by=json.sortBy.column,
        is_descending=json.sortBy.order == "desc",
        limit=json.limit,
        offset=json.offset,
    )
    return [_listed(row) for row in files().list_folder(current_caller(), bucket_id, listing)]


def _upload(bucket_id: str, name: str, is_upsert: bool) -> ResponseReturnValue:
    check_name(name)
    file_id = take_in(request, current_caller(), find_bucket(bucket_id), name, is_upsert)
    return {"Id": file_id, "Key": f"{bucket_id}/{name}"}


def _link(bucket_id: str, name: str, seconds: int) -> str:
    return f"/object/sign/{bucket_id}/{name}?token={links().sign(current_caller(), bucket_id, name, seconds)}"


def _asked_for(caller: Caller, bucket_id: str, name: str) -> FileRow:
    return find_file(caller, bucket_id, name, request.args.get("download", ""))


def _sent(file: FileRow, cache_control: str) -> Response:
    """Return a file's bytes, to be saved and not to be run: as what they are, never as a page."""
    content = files().read(file)
    response = send_file(
        BytesIO(content) if isinstance(content, bytes) else content,
        mimetype=file.kind,
        as_attachment=True,
        download_name=fitting(file.label, file.kind),
        etag=str(file.metadata.get("eTag", "")).strip('"') or False,
        last_modified=file.updated_at,
    )
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = cache_control
    return response


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    names = ("name", "id", "updated_at", "created_at", "last_accessed_at", "metadata")
    return {name: row.get(name) for name in names}
