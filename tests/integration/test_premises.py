"""The premises: what is paused over what, how often that is said, and when work goes on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mosaicd.errors import Need, ObstructedError
from mosaicd.jobs.originals import Originals
from mosaicd.premises import Premises
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from mosaicd.startup import prepare_folders
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind
from tests.faults.workplace import fill_up, replaced_by_file, small_disk
from tests.stores import new_database

SPLICE, MOSAIC = JobKind.SPLICE, JobKind.MOSAIC


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """Whatever the log was set up for by the tests before, it is not for these."""
    with capture_logs():
        yield


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in os.environ:
        if name.startswith("MOSAICD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = load_settings(
        {"root": tmp_path / "root", "database": tmp_path / "state" / "x.sqlite3", "retry_seconds": 1e-6}
    )
    prepare_folders(settings)
    return settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = new_database(settings.database_path)
    yield database
    database.close()


@pytest.fixture
def premises(settings: Settings, database: Database) -> Premises:
    return Premises(settings, database)


def obstacle(need: Need, **facts: Any) -> ObstructedError:
    return ObstructedError(f"the {need} is in the way", need=need, **facts)


@pytest.mark.parametrize("need", [Need.OUTBOX, Need.ARCHIVE, Need.REJECTED])
@pytest.mark.parametrize("is_full", [True, False])
def test_folder_that_takes_files_after_all_pauses_nothing(
    premises: Premises,
    need: Need,
    is_full: bool,  # noqa: FBT001
) -> None:
    with capture_logs() as log:
        assert not premises.close(obstacle(need, is_full=is_full))
    assert premises.is_whole
    assert log == []


def test_outbox_pauses_mosaics_alone(premises: Premises, settings: Settings) -> None:
    with replaced_by_file(settings.folders.outbox):
        assert premises.close(obstacle(Need.OUTBOX))
    assert premises.allow(SPLICE)
    assert not premises.allow(MOSAIC)
    assert premises.in_words() == "mosaics paused: the outbox is in the way"


@pytest.mark.parametrize("need", [Need.ARCHIVE, Need.REJECTED])
def test_where_originals_go_pauses_everything(premises: Premises, settings: Settings, need: Need) -> None:
    with replaced_by_file(getattr(settings.folders, need)):
        assert premises.close(obstacle(need))
    assert not premises.allow(SPLICE)
    assert not premises.allow(MOSAIC)


def test_pause_and_resumption_are_said_once_however_often_work_is_tried(
    premises: Premises, settings: Settings
) -> None:
    with capture_logs() as log:
        for _ in range(3):
            with replaced_by_file(settings.folders.outbox):
                assert premises.close(obstacle(Need.OUTBOX))
                premises.look()
                assert not premises.allow(MOSAIC)
            premises.look()
            assert premises.allow(MOSAIC)
        assert premises.in_words() is None
        premises.prove(MOSAIC)
        premises.look()
    assert [event["event"] for event in log] == ["work_paused", "work_resumed"]


def test_what_nothing_is_tried_with_counts_as_usable_after_a_while(
    premises: Premises, settings: Settings
) -> None:
    with replaced_by_file(settings.folders.outbox):
        premises.close(obstacle(Need.OUTBOX))
    with capture_logs() as log:
        for _ in range(2):
            premises.look()
    assert [event["event"] for event in log] == ["work_resumed"]


def test_database_pauses_everything_until_it_can_be_written(
    premises: Premises, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise obstacle(Need.DATABASE)

    with monkeypatch.context() as patch:
        patch.setattr(database, "require_writable", fail)
        assert premises.close(obstacle(Need.DATABASE))
        premises.look()
        assert not premises.is_open(Need.DATABASE)
    premises.look()
    assert premises.is_open(Need.DATABASE)


def test_archive_that_is_not_used_pauses_nothing(settings: Settings, database: Database) -> None:
    with small_disk(settings.folders.archive):
        premises = Premises(settings, database)
    premises.look()
    assert not premises.allow(SPLICE)
    premises.settings = settings.model_copy(update={"originals": Originals.LEAVE})
    premises.look()
    assert premises.allow(SPLICE)


def test_little_room_is_not_tried_again_until_there_is_clearly_more(
    settings: Settings, database: Database
) -> None:
    with small_disk(settings.folders.archive, kilobytes=4000) as ballast:
        premises = Premises(settings, database)
        fill_up(ballast, but_kilobytes=300)
        assert premises.close(obstacle(Need.ARCHIVE, is_full=True))
        premises.look()
        assert not premises.allow(SPLICE)
        fill_up(ballast, but_kilobytes=600)
        premises.look()
        assert premises.allow(SPLICE)


def test_file_system_that_has_gone_takes_and_gives_nothing(settings: Settings, database: Database) -> None:
    with small_disk(settings.folders.inbox):
        premises = Premises(settings, database)
        premises.require(Need.INBOX)
    with pytest.raises(ObstructedError, match="is not mounted any more"):
        premises.require(Need.INBOX)
    assert premises.lacks(Need.INBOX)
    assert not premises.lacks(Need.OUTBOX)


def test_inbox_that_cannot_be_read_pauses_everything_until_it_can(
    premises: Premises, settings: Settings
) -> None:
    with capture_logs() as log:
        with replaced_by_file(settings.folders.inbox):
            premises.look()
            assert not premises.allow(SPLICE)
        premises.look()
        assert premises.allow(SPLICE)
    assert [event["event"] for event in log] == ["work_paused", "work_resumed"]
