"""The commands that look at, or change, what the store holds."""

import os
import shlex
import time
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from mosaicd.command_line import (
    Config,
    LibraryName,
    Root,
    Sets,
    echo_lines,
    library_names,
    open_store,
    require_library,
    settings_from,
    shown,
    the_one,
)
from mosaicd.crash_points import CrashPoint, passed
from mosaicd.disk_use import in_units
from mosaicd.errors import MosaicdError, SettingsError
from mosaicd.jobs.originals import Folders, remove_reason
from mosaicd.jobs.queue import JobQueue, rejected_jobs_named
from mosaicd.media.files import signature
from mosaicd.media.moving import move_aside
from mosaicd.plain_text import printable
from mosaicd.status import counted
from mosaicd.store.database import Database
from mosaicd.store.libraries import LibraryFacts, library_facts
from mosaicd.store.models import Job, Library, Mosaic, Source


def libraries(
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    remove: Annotated[
        str | None,
        typer.Option(
            "--remove",
            metavar="NAME",
            autocompletion=library_names,
            help="Take this library out of use; nothing is deleted.",
        ),
    ] = None,
    restore: Annotated[
        str | None,
        typer.Option(
            "--restore",
            metavar="NAME",
            autocompletion=library_names,
            help="Take back what went out of use last in this library.",
        ),
    ] = None,
    purge: Annotated[
        str | None,
        typer.Option(
            "--purge",
            metavar="NAME",
            autocompletion=library_names,
            help="Say what of this library is out of use, and with --yes, delete it for good.",
        ),
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Really delete what --purge says.")] = False,
) -> None:
    """List libraries; take one out of use, back, or delete it."""
    if [remove, restore, purge].count(None) < 2:
        message = "give one of --remove, --restore and --purge"
        raise SettingsError(message)
    settings = settings_from(root, config, sets)
    with open_store(settings) as database:
        if remove is not None:
            lines = [_remove_library(database, settings.folders.inbox, remove)]
        elif restore is not None:
            lines = [_restore_library(database, restore)]
        elif purge is not None:
            lines = [_purge_library(database, purge, is_confirmed=yes)]
        else:
            with database.read() as session:
                lines = [_facts_in_words(facts) for facts in library_facts(session)]
    echo_lines(lines, otherwise="there are no libraries yet: drop a film into the inbox")


def sources(
    library: LibraryName,
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    remove: Annotated[
        str | None,
        typer.Option(
            "--remove", metavar="SOURCE", help="Take this one (its number or name) and its tiles out of use."
        ),
    ] = None,
) -> None:
    """List a library's films and photos, or take one out of use."""
    from mosaicd.store.tiles import remove_source, sources_of

    with open_store(settings_from(root, config, sets)) as database:
        if remove is None:
            with database.read() as session:
                lines = [
                    _in_words(each) for each in sources_of(session, require_library(session, library).id)
                ]
            echo_lines(lines, otherwise=f"library {library} has no sources")
            return
        with database.write() as session:
            named = [
                source
                for source in sources_of(session, require_library(session, library).id)
                if remove in (str(source.id), source.name, printable(source.name))
            ]
            source = the_one(named, "source", remove)
            count = remove_source(session, source, now=time.time())
        passed(CrashPoint.CHANGE_COMMITTED)
        typer.echo(
            f"{printable(source.name)}: {counted(count, 'tile')} out of use;"
            f" `mosaicd libraries --restore {shlex.quote(library)}` takes them back"
        )


def penalties(
    library: LibraryName,
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
    *,
    reset: Annotated[bool, typer.Option("--reset", help="Let no earlier use count any more.")] = False,
    undo: Annotated[
        str | None,
        typer.Option(
            "--undo", metavar="MOSAIC", help="Take back what this mosaic (its number or name) has charged."
        ),
    ] = None,
) -> None:
    """Show what mosaics have charged, forget it, or take one back."""
    from mosaicd.store.mosaics import find_mosaic, reset_penalties, undo_charges

    if reset and undo is not None:
        message = "give --reset or --undo, not both"
        raise SettingsError(message)
    with open_store(settings_from(root, config, sets)) as database:
        if reset:
            with database.write() as session:
                reset_penalties(require_library(session, library), now=time.time())
            passed(CrashPoint.CHANGE_COMMITTED)
            typer.echo(f"no earlier use counts any more in library {library}")
        elif undo is not None:
            with database.write() as session:
                found = find_mosaic(session, require_library(session, library).id, undo)
                mosaic = the_one([found] if found else [], "mosaic", undo)
                was_undone = mosaic.charges_undone_at is not None
                count = undo_charges(session, mosaic, now=time.time())
            passed(CrashPoint.CHANGE_COMMITTED)
            what = "were taken back before" if was_undone else f"of {counted(count, 'tile')} are taken back"
            if mosaic.uses_dropped_at is not None:
                what = "count for nothing any more"
            typer.echo(f"{printable(mosaic.stem)}: its uses {what}")
        else:
            with database.read() as session:
                lines = _charges_in_words(session, require_library(session, library))
            echo_lines(lines, otherwise=f"no tile of library {library} has been used yet")


def retry(
    name: Annotated[str, typer.Argument(help="The rejected file: its path in the inbox, or its name.")],
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Put a rejected file back and try it again."""
    settings = settings_from(root, config, sets)
    folders = settings.folders
    with open_store(settings) as database:
        with database.read() as session:
            job = the_one(list(rejected_jobs_named(session, name)), "rejected file", name)
        _put_back(job, folders)
        looks = signature(folders.inbox / job.path)
        if looks is None:
            message = (
                f"{printable(job.path)} is neither in {folders.rejected} nor in {folders.inbox} any more"
            )
            raise MosaicdError(message)
        JobQueue(database).revive(job.id, looks, now=time.time())
    typer.echo(f"{printable(job.path)} is queued again")


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; nothing stands there yet.")],
    root: Root = None,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Copy the database, while the daemon works or not."""
    from mosaicd.backup import back_up

    settings = settings_from(root, config, sets)
    # Unlike those of Path, these keep links as they were given, and never raise.
    written = Path(os.path.abspath(os.path.expanduser(file)))  # noqa: PTH100, PTH111
    size = back_up(settings.database_path, written, settings.folders)
    typer.echo(f"{shown(written)}: {size / 1e6:.1f} MB, checked")


def _facts_in_words(facts: LibraryFacts) -> str:
    return (
        f"{facts.name}: {counted(facts.tiles, 'tile')} from {counted(facts.sources, 'source')},"
        f" {counted(facts.mosaics, 'mosaic')}"
        + (f"; {counted(facts.tiles_out_of_use, 'tile')} out of use" if facts.sources_out_of_use else "")
    )


def _remove_library(database: Database, inbox: Path, name: str) -> str:
    from mosaicd.removal import remove_idle_library, require_idle

    with database.read() as session:
        require_library(session, name)
    require_idle(database, inbox, name)
    with database.write() as session:
        moved = remove_idle_library(session, require_library(session, name), now=time.time())
    passed(CrashPoint.CHANGE_COMMITTED)
    return (
        f"{name}: {counted(moved.tiles, 'tile')} from {counted(moved.sources, 'source')} out of use;"
        f" `mosaicd libraries --restore {shlex.quote(name)}` takes them back"
    )


def _restore_library(database: Database, name: str) -> str:
    from mosaicd.store.removal import take_back

    with database.write() as session:
        moved = take_back(session, require_library(session, name))
    passed(CrashPoint.CHANGE_COMMITTED)
    if not moved.sources:
        message = f"nothing of library {name!r} is out of use"
        raise MosaicdError(message)
    return (
        f"{name}: {counted(moved.tiles, 'tile')} from {counted(moved.sources, 'source')} back in use;"
        f" `mosaicd libraries --remove {shlex.quote(name)}` takes the library out again"
    )


def _purge_library(database: Database, name: str, *, is_confirmed: bool) -> str:
    from mosaicd.removal import purge_library, require_purgeable

    with database.read() as session:
        found = require_purgeable(session, require_library(session, name))
    what = f"{counted(found.tiles, 'tile')} from {counted(len(found.sources), 'source')} ({in_units(found.bytes)})"
    if not found.sources:
        what = "nothing was left to delete"
    elif not is_confirmed:
        message = (
            f"this would delete {what} of library {name!r} for good, and what its mosaics remember of them:"
            " add --yes if that is meant"
        )
        raise MosaicdError(message)
    else:
        what = f"{what} deleted for good"
    room = purge_library(database, found, now=time.time())
    return f"{name}: {what}; {in_units(room)} given back to the disk"


def _put_back(job: Job, folders: Folders) -> None:
    """Move a rejected original back to the inbox, unless a file stands there; take its reason away."""
    original = folders.inbox / job.path
    rejected = Path(job.moved_to) if job.moved_to is not None else folders.rejected / job.path
    try:
        if job.moved_to is not None and os.path.lexists(rejected) and not os.path.lexists(original):
            move_aside(rejected, original)
            passed(CrashPoint.ORIGINAL_PUT_BACK)
        if not os.path.lexists(rejected):
            remove_reason(rejected, job.explanation or "")
            passed(CrashPoint.REASON_REMOVED)
    except OSError as error:
        message = f"{printable(job.path)} cannot be moved back to {folders.inbox}: {error.strerror}"
        raise MosaicdError(message) from error


def _in_words(source: Source) -> str:
    from mosaicd.store.tiles import skipped

    count = sum(skipped(source).values())
    return (
        f"{source.id}: {printable(source.name)}: {counted(source.tiles_made, 'tile')}"
        f" from {counted(source.next_sample, 'frame')}, {counted(count, 'crop')} skipped"
        + (f"; {source.shortfall}" if source.shortfall else "")
    )


def _charges_in_words(session: Session, library: Library) -> list[str]:
    from mosaicd.store.mosaics import charges

    reset_at = library.penalties_reset_at or 0.0
    return [
        f"{charge.mosaic}: {printable(charge.stem)}:"
        f" {counted(charge.uses, 'use')} of {counted(charge.tiles, 'tile')}"
        + (", forgotten" if session.get_one(Mosaic, charge.mosaic).created_at <= reset_at else "")
        for charge in charges(session, library.id)
    ]
