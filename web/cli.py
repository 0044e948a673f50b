"""The `flask` commands: what an administrator does on the machine rather than over HTTP.

They hold no rule: each calls the loader or a SQL function.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import click
import psycopg
from flask import Flask, current_app
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb

import functions
from web import demo_data, loader, local, supabase_project
from web.auth import accounts
from web.auth.passwords import hash_password
from web.config import Config
from web.errors import ApiError
from web.keys import api_key
from web.postgres import PostgresError, program, running_url
from web.schemas import NewAccount
from web.sqlfile import describe


def register(app: Flask) -> None:
    """Add the commands to the app."""
    for command in (load, unload, load_demo, run_job, add_operator, print_keys, open_psql, write_supabase):
        app.cli.add_command(command)


@click.command("load")
def load() -> None:
    """Bring the database up to date with sql/; a second time changes nothing."""
    with _database() as url:
        click.echo(str(loader.load(url)))


@click.command("unload")
@click.option("--to", default="", help="Keep migrations up to this version; default: none.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def unload(to: str, yes: bool) -> None:
    """Drop the code and roll migrations back, newest first, WITH THEIR DATA."""
    with _database() as url:
        if not yes:
            click.confirm("This deletes the data of the database. Go on?", abort=True)
        names = loader.unload(url, to=to)
    click.echo("\n".join(f"rolled back {name}" for name in names) or "nothing was loaded")


@click.command("demo-data")
def load_demo() -> None:
    """Load the demo data into an empty database."""
    with _database() as url:
        loader.load(url)
        if not demo_data.load_if_empty(url):
            raise click.ClickException("the database is not empty")
        click.echo(f"loaded; everyone's password is {demo_data.PASSWORD}")
        for login in demo_data.logins(url):
            click.echo(f"  {login.email}  {login.role}")


@click.command("job")
@click.argument("name", type=click.Choice(list(functions.JOBS)))
def run_job(name: str) -> None:
    """Run a background function now."""
    with _database() as url, loader.connect(url, f"baton {name}") as connection, connection.transaction():
        click.echo(f"{name}: {functions.run(name, connection)}")


@click.command("add-operator")
@click.option("--email", prompt=True)
@click.option("--name", prompt=True)
@click.option("--role", type=click.Choice(["operator", "admin"]), default="operator", show_default=True)
@click.option("--password", help="Asked for when it is not given.")
@click.option("--id", "user_id", type=click.UUID, help="On a Supabase project: the id of a user made there.")
def add_operator(email: str, name: str, role: str, password: str | None, user_id: UUID | None) -> None:
    """Add an operator who can sign in."""
    with _database() as url, loader.connect(url, "baton add-operator") as connection, connection.transaction():
        if _config().supabase_url:
            if user_id is None:
                user_id = _account_on_project(email, name, password)
        elif loader.State.read(connection).is_supabase:
            if user_id is None:
                raise click.UsageError("the login is Supabase's: set SUPABASE_URL, or make the user there, for an --id")
        else:
            user_id = user_id or uuid4()
            password = password or click.prompt("Password", hide_input=True, confirmation_prompt=True)
            arguments = (email, hash_password(password), Jsonb({"name": name}), user_id)
            connection.execute("select auth.create_user(%s, %s, false, %s, %s)", arguments)
        connection.execute("select public.register_operator(%s, %s, %s, %s)", (user_id, name, email, role))
    click.echo(f"added {role} {name} <{email}>, id {user_id}")


def _account_on_project(email: str, name: str, password: str | None) -> UUID:
    """Make an account on the Supabase project; who could not be registered afterwards is a customer there."""
    password = password or click.prompt("Password", hide_input=True, confirmation_prompt=True)
    metadata = {"name": name}
    return (
        accounts()
        .make_account(NewAccount(email=email, email_confirm=True, password=password, user_metadata=metadata))
        .id
    )


@click.command("keys")
def print_keys() -> None:
    """Print the anon and the service key for Supabase clients."""
    with _one_line_errors():
        secret = local.jwt_secret(_config())
    click.echo(f"anon key     {api_key('anon', secret)}")
    click.echo(f"service key  {api_key('service_role', secret)}")
    click.echo("The service key passes every policy: it is for servers only.", err=True)


@click.command("psql", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def open_psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the database that runs; ARGUMENTS go to psql."""
    config = _config()
    with _one_line_errors():
        url = config.database_url or running_url(config.data_dir / "postgres")
    if not url:
        raise click.ClickException("the embedded database does not run: start it with `make run`")
    try:
        parts = conninfo_to_dict(url)
        psql = str(program("psql"))
    except (psycopg.ProgrammingError, PostgresError) as error:
        raise click.ClickException(str(error)) from None
    # Arguments can be seen by every user of the machine, the environment cannot.
    password = parts.pop("password", None)
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    os.execve(psql, ["psql", make_conninfo("", **parts), *arguments], environment)  # noqa: S606 - psql itself


@click.command("supabase")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=loader.SQL_FOLDER.parent / "supabase",
    help="The folder supabase/ of a project; default: the one beside sql/.",
)
def write_supabase(into: Path) -> None:
    """Write sql/ as what the Supabase command line pushes: config.toml and migrations/."""
    with _one_line_errors():
        click.echo(str(supabase_project.write(loader.SQL_FOLDER, into)))


def _config() -> Config:
    config: Config = current_app.extensions["baton_config"]
    return config


@contextmanager
def _database() -> Iterator[str]:
    """Give the database's address, and make one line of whatever goes wrong with it."""
    with _one_line_errors(), local.database(_config()) as url:
        yield url


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (loader.LoadError, supabase_project.ProjectError, local.InUseError, PostgresError, ApiError) as error:
        raise click.ClickException(str(error)) from None
    except PermissionError as error:
        raise click.ClickException(f"not allowed to use {error.filename}: it belongs to another user") from None
    except psycopg.Error as error:
        raise click.ClickException(describe(error.diag) if error.sqlstate else str(error)) from None
