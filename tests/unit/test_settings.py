"""Settings: who has the last word, and one clear line for whatever is wrong."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mosaicd import cli
from mosaicd.errors import SettingsError
from mosaicd.intake.live_photos import LivePhotoFilms
from mosaicd.intake.watcher import Watching
from mosaicd.jobs.originals import Originals
from mosaicd.logs import LogFormat, LogLevel
from mosaicd.matching.engine import Assignment
from mosaicd.media.formats import OutputFormat
from mosaicd.pipelines.appearance import Engine
from mosaicd.pipelines.orders import NearDuplicates, PoorFrames
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings, settings_file

OTHER_VALUES: dict[str, tuple[str, Any]] = {
    "engine": ("codebox", Engine.CODEBOX),
    "assignment": ("greedy", Assignment.GREEDY),
    "minimum_shot_distance_cells": ("3", 3),
    "maximum_uses": ("4", 4),
    "root": ("/srv/elsewhere", Path("/srv/elsewhere")),
    "inbox": ("/srv/in", Path("/srv/in")),
    "outbox": ("/srv/out", Path("/srv/out")),
    "archive": ("/srv/archive", Path("/srv/archive")),
    "rejected": ("/srv/rejected", Path("/srv/rejected")),
    "staging": ("/srv/staging", Path("/srv/staging")),
    "database": ("/srv/state/tiles.sqlite3", Path("/srv/state/tiles.sqlite3")),
    "originals": ("leave", Originals.LEAVE),
    "settle_seconds": ("2.5", 2.5),
    "rescan_seconds": ("7", 7.0),
    "watching": ("polling", Watching.POLLING),
    "polling_seconds": ("30", 30.0),
    "master_edge_pixels": ("64", 64),
    "photo_pixels_limit": ("1000", 1000),
    "video_gigabytes_limit": ("4", 4.0),
    "video_hours_limit": ("3", 3.0),
    "mosaic_pixels_limit": ("2000", 2000),
    "gallery": ("false", False),
    "status_files": ("false", False),
    "page_megabytes_limit": ("4.5", 4.5),
    "attempts_limit": ("5", 5),
    "stall_limit_seconds": ("60", 60.0),
    "job_limit_seconds": ("600", 600.0),
    "worker_memory_limit_megabytes": ("1024", 1024),
    "retry_seconds": ("3", 3.0),
    "archive_retention_days": ("90", 90.0),
    "mosaic_history_retention_days": ("365.5", 365.5),
    "log_format": ("json", LogFormat.JSON),
    "log_level": ("debug", LogLevel.DEBUG),
    "cells_on_long_side": ("81", 81),
    "tile_edge_pixels": ("20", 20),
    "minimum_distance_cells": ("1", 1),
    "mirror": ("false", False),
    "color_correction": ("0.25", 0.25),
    "penalty_step": ("0", 0.0),
    "output_format": ("png", OutputFormat.PNG),
    "output_quality": ("75", 75),
    "sample_interval_seconds": ("0.5", 0.5),
    "live_photo_films": ("tiles", LivePhotoFilms.TILES),
    "poor_frames": ("tiles", PoorFrames.TILES),
    "near_duplicates": ("library", NearDuplicates.LIBRARY),
    "minimum_tiles": ("9", 9),
    "photo_wait_limit_seconds": ("0", 0.0),
    "penalty_half_life_days": ("7", 7.0),
    "library": ('{"family": {"minimum_tiles": 3}}', {"family": {"minimum_tiles": 3}}),
}


@pytest.fixture(autouse=True)
def _no_settings_but_those_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("MOSAICD_") or name in {
            "STATE_DIRECTORY",
            "XDG_CONFIG_HOME",
            "XDG_STATE_HOME",
        }:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "mosaicd.toml"


def complaint(
    config: Path, text: str = "", *, flags: dict[str, Any] | None = None, root: str | None = None
) -> str:
    """The one line that says what is wrong."""
    config.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings({"root": root, **(flags or {})}, config=config)
    line = str(caught.value)
    assert "\n" not in line
    return line


# ---- Who has the last word


def test_defaults_hold_where_nothing_is_set() -> None:
    settings = load_settings({})
    assert (settings.cells_on_long_side, settings.tile_edge_pixels, settings.master_edge_pixels) == (
        96,
        50,
        128,
    )
    assert settings.folders.inbox == Path.home() / "Mosaics/inbox"


def test_flag_goes_over_variable_over_file_over_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("minimum_tiles = 10\ntile_edge_pixels = 11\noutput_quality = 12\n")
    monkeypatch.setenv("MOSAICD_TILE_EDGE_PIXELS", "21")
    monkeypatch.setenv("MOSAICD_OUTPUT_QUALITY", "22")
    settings = load_settings({"output_quality": "32"}, config=config)
    found = (
        settings.cells_on_long_side,
        settings.minimum_tiles,
        settings.tile_edge_pixels,
        settings.output_quality,
    )
    assert found == (96, 10, 21, 32)


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_each_setting_works_as_a_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, expected = OTHER_VALUES[name]
    assert getattr(Settings(), name) != expected
    monkeypatch.setenv(f"MOSAICD_{name.upper()}", given)
    assert getattr(load_settings({}), name) == expected


def test_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAICD_ROOT", "")
    assert load_settings({}).root == Path("~/Mosaics")


def test_user_file_is_read_before_that_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = tmp_path / "system.toml"
    system.write_text("minimum_tiles = 1\n")
    monkeypatch.setattr("mosaicd.settings_reading.SYSTEM_FILE", system)
    assert settings_file() == system
    user = tmp_path / "home/.config/mosaicd/mosaicd.toml"
    user.parent.mkdir(parents=True)
    user.write_text("minimum_tiles = 2\n")
    assert settings_file() == user
    assert load_settings({}).minimum_tiles == 2


def test_library_table_goes_over_the_general_setting_for_that_library_alone(config: Path) -> None:
    config.write_text('minimum_tiles = 5\n[library."our family"]\nminimum_tiles = 7\ntile_edge_pixels = 30\n')
    settings = load_settings({}, config=config)
    assert settings.for_library("our family").minimum_tiles == 7
    assert settings.appearance("our family").tile_edge_pixels == 30
    assert settings.for_library("default").minimum_tiles == 5
    assert settings.appearance("default").tile_edge_pixels == 50


# ---- Where the database is


def test_each_root_has_its_own_database_unless_one_is_set(tmp_path: Path) -> None:
    first, second = (load_settings({"root": tmp_path / name}).database_path for name in ("a", "b"))
    assert len({first, second, load_settings({}).database_path}) == 3
    assert first == load_settings({"root": str(tmp_path / "a/../a/")}).database_path


def test_root_and_a_link_to_it_have_one_database(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert (
        load_settings({"root": tmp_path / "link"}).database_path
        == load_settings({"root": tmp_path / "real"}).database_path
    )


def test_service_manager_says_where_the_database_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/mosaicd:/var/lib/more")
    assert load_settings({}).database_path == Path("/var/lib/mosaicd/mosaicd.sqlite3")


@pytest.mark.parametrize("place", ["state.sqlite3", "inbox/state.sqlite3", "deep/er/state.sqlite3"])
def test_database_under_the_root_is_refused(config: Path, tmp_path: Path, place: str) -> None:
    line = complaint(config, root=str(tmp_path / "root"), flags={"database": str(tmp_path / "root" / place)})
    assert line.startswith(f"database ({tmp_path}/root/{place}, set on the command line) lies in root")


def test_database_under_the_root_through_a_link_is_refused(config: Path, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "root")
    line = complaint(config, f'database = "{tmp_path}/link/x.sqlite3"', root=str(tmp_path / "root"))
    assert f"set in {config}) lies in root" in line


def test_database_in_a_folder_set_apart_from_the_root_is_refused(config: Path, tmp_path: Path) -> None:
    flags = {"outbox": str(tmp_path / "synced"), "database": str(tmp_path / "synced/x.sqlite3")}
    assert "lies in outbox" in complaint(config, root=str(tmp_path / "root"), flags=flags)


# ---- Folders that overlap


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ({"outbox": "inbox/out"}, "outbox"),
        ({"inbox": "outbox/in"}, "inbox"),
        ({"archive": "inbox/archive"}, "archive"),
        ({"rejected": "inbox"}, "inbox"),
        ({"inbox": "."}, "outbox"),
        ({"staging": "outbox/.staging"}, "staging"),
        ({"staging": "inbox/../inbox/.staging"}, "staging"),
    ],
)
def test_overlapping_folders_are_refused(
    config: Path, tmp_path: Path, flags: dict[str, str], what: str
) -> None:
    root = tmp_path / "root"
    line = complaint(config, root=str(root), flags={name: str(root / path) for name, path in flags.items()})
    assert line.startswith(f"{what} (")
    assert "lies in" in line
    assert "set on the command line" in line


def test_folders_that_overlap_through_a_link_are_refused(config: Path, tmp_path: Path) -> None:
    (tmp_path / "root/inbox").mkdir(parents=True)
    (tmp_path / "root/outbox").symlink_to(tmp_path / "root/inbox")
    assert "outbox" in complaint(config, root=str(tmp_path / "root"))


def test_link_that_leads_nowhere_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    load_settings({"root": tmp_path / "loop"})


# ---- What is wrong is said in one line that names the setting and where it was set


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cells_on_long_sid = 3", "there is no setting cells_on_long_sid (set in FILE)"),
        (
            'cells_on_long_side = "many"',
            "cells_on_long_side should be a valid integer, not 'many' (set in FILE)",
        ),
        (
            "cells_on_long_side = 1",
            "cells_on_long_side should be greater than or equal to 2, not 1 (set in FILE)",
        ),
        ("settle_seconds = nan", "settle_seconds should be a finite number, not nan (set in FILE)"),
        ("rescan_seconds = inf", "rescan_seconds should be a finite number, not inf (set in FILE)"),
        ('originals = "delete"', "originals should be 'archive' or 'leave', not 'delete' (set in FILE)"),
        ('mirror = "maybe"', "mirror should be a valid boolean, not 'maybe' (set in FILE)"),
        ("root = 5", "root should be a path, not 5 (set in FILE)"),
        ("attempts_limit = 1e308", "attempts_limit should have fewer digits, unlike 1e+308 (set in FILE)"),
        ('root = "~nobody-of-that-name/x"', "root begins with a home folder that cannot be found"),
        ('inbox = "a\\u0000b"', "inbox holds a null byte, not 'a\\x00b' (set in FILE)"),
        (
            "[library.family]\ntile_edge = 9",
            "there is no setting tile_edge in [library.family] (set in FILE)",
        ),
        (
            "[library.family]\ntile_edge_pixels = 0",
            "tile_edge_pixels should be greater than or equal to 2, not 0 in [library.family] (set in FILE)",
        ),
        (
            "[library.family]\nsettle_seconds = 9",
            "settle_seconds holds for all libraries alike and cannot be set in [library.family] (set in FILE)",
        ),
        ("[library]\nfamily = 1", "library.family should be a valid dictionary, not 1 (set in FILE)"),
        ("cells_on_long_side", "the configuration file FILE is not TOML: "),
        ("x = " + "[" * 100_000, "the configuration file FILE is not TOML: "),
    ],
)
def test_mistake_in_the_file_is_said_in_one_line(config: Path, text: str, line: str) -> None:
    assert complaint(config, text).startswith(line.replace("FILE", str(config)))


def test_file_that_is_no_text_is_said_in_one_line(config: Path) -> None:
    config.write_bytes(b"root = '\xff'")
    with pytest.raises(SettingsError, match=r"mosaicd\.toml is not TOML: line 1 is not in UTF-8$"):
        load_settings({}, config=config)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("MOSAICD_CELS", "1", "there is no setting cels (set in the environment variable MOSAICD_CELS)"),
        ("mosaicd_Cels", "", "there is no setting cels (set in the environment variable mosaicd_Cels)"),
        (
            "MOSAICD_MINIMUM_TILES",
            "x",
            "minimum_tiles should be a valid integer, not 'x' (set in the environment",
        ),
        (
            "mosaicd_minimum_tiles",
            "x",
            "minimum_tiles should be a valid integer, not 'x' (set in the environment",
        ),
        (
            "MOSAICD_ENGINE",
            "steam",
            "engine should be 'perceptual', 'codebox' or 'mean-color-ssim', not 'steam' (set in the environment",
        ),
        ("MOSAICD_LIBRARY", "{", "library should be JSON (set in the environment variable MOSAICD_LIBRARY)"),
        (
            "MOSAICD_LIBRARY",
            '{"a": {"x": 1}}',
            "there is no setting x in [library.a] (set in the environment",
        ),
    ],
)
def test_mistake_in_a_variable_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, config: Path, variable: str, value: str, line: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert complaint(config).startswith(line)


def test_value_that_is_no_text_is_said_in_one_line(config: Path) -> None:
    line = complaint(config, flags={"minimum_tiles": "caf\udce9"})
    assert line.startswith("minimum_tiles should be text in UTF-8, not 'caf\\udce9'")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"cels": "1"}, "there is no setting cels (set on the command line)"),
        ({"_env_file": "x"}, "there is no setting _env_file (set on the command line)"),
        (
            {"penalty_step": "2"},
            "penalty_step should be less than or equal to 1, not '2' (set on the command line)",
        ),
    ],
)
def test_mistake_on_the_command_line_is_said_in_one_line(
    config: Path, flags: dict[str, str], line: str
) -> None:
    assert complaint(config, flags=flags) == line


def test_home_that_cannot_be_found_is_said_in_one_line(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(path: str) -> str:
        return path

    monkeypatch.setattr(os.path, "expanduser", no_home)
    assert complaint(config).startswith("root begins with a home folder that cannot be found")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["check", "--set", "cells=9"], "there is no setting cells (set on the command line)"),
        (["run", "--set", "cells"], "--set wants NAME=VALUE, not 'cells'"),
        (["run", "--set", "=9"], "--set wants NAME=VALUE, not '=9'"),
        (["status", "--config", "/nowhere.toml"], "/nowhere.toml cannot be read: No such file or directory"),
        (["libraries", "--config", "/"], "the configuration file / cannot be read: Is a directory"),
        (["check", "--config", "/dev/zero"], "/dev/zero is larger than 1,000,000 bytes"),
        (
            ["run", "--root", "/srv/x", "--set", "database=/srv/x/y"],
            "lies in root (/srv/x, set on the command",
        ),
    ],
)
def test_every_command_ends_with_one_line_and_exit_code_2(
    arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mosaicd", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("mosaicd: ")
    assert expected in output.err


@pytest.mark.parametrize("mode", [0o000, 0o644])
def test_process_says_what_is_wrong_with_its_file_in_one_line(config: Path, mode: int) -> None:
    config.write_text("cells = 9\n")
    config.chmod(mode)
    result = subprocess.run(
        [sys.executable, "-m", "mosaicd", "check", "--config", config],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_without_privileges,
    )
    what = f"there is no setting cells (set in {config})"
    if mode == 0:
        what = f"the configuration file {config} cannot be read: Permission denied"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"mosaicd: {what}\n")


def _without_privileges() -> None:
    """Let file modes count even for root."""
    import ctypes

    dropped_from_bounding_set = 24
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(dropped_from_bounding_set, capability, 0, 0, 0)


def test_settings_read_again_and_again_leave_nothing_behind(config: Path) -> None:
    config.write_text("cells_on_long_side = 20\n")
    load_settings({}, config=config)
    gc.collect()
    gc.disable()  # what it would free only after hours is to be seen
    try:
        for _ in range(20):
            load_settings({}, config=config)
        assert gc.collect() < 1000
    finally:
        gc.enable()


def test_settings_cannot_be_changed() -> None:
    settings = load_settings({})
    with pytest.raises(ValueError, match="frozen"):
        settings.minimum_tiles = 3  # type: ignore[misc]


def test_printed_defaults_are_those_of_the_issue() -> None:
    shown = json.loads(Settings().model_dump_json())
    assert (shown["sample_interval_seconds"], shown["penalty_step"], shown["originals"]) == (
        1.0,
        0.03,
        "archive",
    )
