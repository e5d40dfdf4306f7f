"""Where a kill leaves something half done: between any two steps that outlive the process.

Whatever ends the daemon, the next start finishes it. Each point below says what has just happened, and what the
next start makes of it. ``passed`` tells Python's audit hooks, if somebody has installed one, as tests do to kill
there.
"""

import sys
from enum import StrEnum

PASSED = "mosaicd.passed"


class CrashPoint(StrEnum):
    """What has just happened, and lasts."""

    # ---- The start

    SCHEMA_COPIED = "schema copied"
    """The database of an older program is copied. The copy is made again, and the upgrade after it."""
    SCHEMA_CHANGED = "schema changed"
    """A step of the upgrade is done and not committed. SQLite undoes it; the next start does it again."""
    SCHEMA_CURRENT = "schema current"
    """The upgrade is committed. There is nothing to upgrade any more."""
    STAGING_CLEARED = "staging cleared"
    """What a killed process staged is removed; its jobs still run on paper. They are recovered."""
    JOB_TAKEN_BACK = "job taken back"
    """A killed daemon's job is queued again. It is handed out as any other."""

    # ---- A job's way

    JOB_ADMITTED = "job admitted"
    """A settled file is a job. It is handed out; the file, seen again, is known."""
    REDELIVERY_NOTED = "redelivery noted"
    """A file that came again is known to have been done. It stays where it is, and is not read any more."""
    JOB_WAITS = "job waits"
    """A photo waits. It is looked at again."""
    JOB_RELEASED = "job released"
    """A photo waits no more. It is handed out."""
    JOB_CLAIMED = "job claimed"
    """A job runs on paper, and no worker has it yet. It is taken back, which costs no attempt."""
    CONTENT_NOTED = "content noted"
    """What a running job's file holds is known. The job is taken back."""
    PROGRESS_NOTED = "progress noted"
    """How far a job is stands in the database, for people. The job is taken back."""
    JOB_GIVEN_BACK = "job given back"
    """What a worker could not do is queued again. It is handed out when its time has come."""
    MOVE_NOTED = "move noted"
    """Where the original will go is known, and, of a rejected one, why. A rejection is carried out; other jobs are
    taken back, and end at once, since their work is in the store."""
    JOB_ENDED = "job ended"
    """A job has ended, and its original is in its place. There is nothing to do."""

    # ---- A film's tiles

    SOURCE_ADDED = "source added"
    """A file is known as a source, without tiles. Its job is taken back, and finds the source."""
    CHUNK_COMMITTED = "chunk committed"
    """Tiles of some samples are in the store, with the number of the next. The film goes on there."""
    SOURCE_COMPLETED = "source completed"
    """A source has given all it has. Its job is taken back, finds that, and ends."""
    SOURCE_FORGOTTEN = "source forgotten"
    """A source that gave nothing is gone. Its job is taken back, and comes to the same."""

    # ---- A photo's mosaic

    DESCRIPTORS_REPLACED = "descriptors replaced"
    """Some tiles are described by the current scheme. The others' turn comes with the next mosaic."""
    PLACEMENT_RECORDED = "placement recorded"
    """A mosaic, its charges and its name are in the store. It is rendered as recorded; nothing is charged again."""
    REPORT_PUBLISHED = "report published"
    """The report stands in the outbox, alone. The image follows; if the job comes to nothing, the report goes."""
    PAGE_PUBLISHED = "page published"
    """Report and page stand in the outbox without the image. As above."""
    IMAGE_PUBLISHED = "image published"
    """The image stands in the outbox, and the store does not know. It is replaced by itself; if the job comes to
    nothing, the mosaic counts as published."""
    THUMBNAIL_KEPT = "thumbnail kept"
    """The store has a small picture of a mosaic, which the gallery does not show yet. As above."""
    GALLERY_WRITTEN = "gallery written"
    """The gallery shows a mosaic of which the store does not know that it is published. As above."""
    MOSAIC_MARKED_PUBLISHED = "mosaic marked published"
    """The store knows that the mosaic is published. Its job is taken back, finds that, and ends; if its photo has
    gone, it is withdrawn."""
    MOSAIC_WITHDRAWN = "mosaic withdrawn"
    """A report without an image is gone from the outbox, for a job that is about to come to nothing. The job is
    taken back, or withdrawn as it was to be."""

    # ---- Files

    FOLDER_MADE = "folder made"
    """A folder is there, and a power cut may undo that. It is used."""
    FILE_STAGED = "file staged"
    """A file is written to staging. It is cleared, and made again."""
    FILE_SYNCED = "file synced"
    """A staged file is on disk. It is cleared, and made again."""
    FILE_APPEARED = "file appeared"
    """A file stands, whole, under its name. It is replaced by itself."""
    REASON_WRITTEN = "reason written"
    """Why a file is rejected stands beside its place. The rejection is carried out."""
    ORIGINAL_SYNCED = "original synced"
    """An original that is about to be moved is on disk. It is moved."""
    PLACE_HELD = "place held"
    """An empty file holds the name that an original will have, on a file system that cannot tell whether a name is
    free when it gives it. It is removed."""
    ORIGINAL_MOVED = "original moved"
    """An original has its new name. Its job is ended as it was to be."""
    PART_COPIED = "part copied"
    """Part of an original stands, hidden, on another file system. It is removed, and the whole is copied again."""
    COPY_SYNCED = "copy synced"
    """All of an original stands, hidden, on another file system. It is removed, and copied again."""
    COPY_NAMED = "copy named"
    """An original stands at its new place and in the inbox. If both are the same, the one in the inbox goes."""
    FILE_HELD = "file held"
    """A file that is about to be removed has a hidden name, under which no other can take its place. It has its own
    name again, and is removed if it is to go still."""
    MOVE_UNDONE = "move undone"
    """A file that came while another was to be moved from its place is back in the inbox. The job of the one before
    is withdrawn, and the newer one is admitted."""
    UNFINISHED_CLEARED = "unfinished cleared"
    """What a killed process left of a move is gone. The job is settled or taken back."""

    # ---- Retention

    ORIGINAL_DELETED = "original deleted"
    """An original that was kept long enough is gone, and the store does not know. The next round finds it gone."""
    DELETION_NOTED = "deletion noted"
    """The store knows that some originals are gone. The next round goes on with the others."""
    HISTORY_DROPPED = "history dropped"
    """Placements or uses of some mosaics are gone, as the store knows. The next round goes on with the others."""

    # ---- Commands

    ORIGINAL_PUT_BACK = "original put back"
    """``retry`` has moved a file back, and its job is still rejected. Another ``retry`` goes on; the daemon lets
    the file lie until then."""
    REASON_REMOVED = "reason removed"
    """``retry`` has removed the reason as well. As above."""
    JOB_REVIVED = "job revived"
    """A rejected job is queued again. It is handed out."""
    BACKUP_COPIED = "backup copied"
    """All of a backup stands, hidden, beside its place. The next backup to that folder removes it."""
    PART_PURGED = "part purged"
    """A source of a library that is to be deleted is gone, or what a mosaic remembers of it. Another ``--purge``
    goes on; until then the rest of the library is out of use, as it was."""
    CHANGE_COMMITTED = "change committed"
    """A command has changed what it was to change, and has not said so."""


def passed(point: CrashPoint) -> None:
    """Say that a point has been passed, to whoever listens; as a rule nobody."""
    sys.audit(PASSED, point)
