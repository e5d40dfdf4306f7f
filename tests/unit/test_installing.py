"""What `mosaicd install-service` writes for which installation, and what it refuses."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from mosaicd.errors import MosaicdError
from mosaicd.installing import service as services
from mosaicd.installing.obstacles import system_obstacles, user_obstacles
from mosaicd.installing.program import Program, running_program
from mosaicd.installing.service import Service
from mosaicd.installing.units import (
    MARK,
    Options,
    SystemPlaces,
    service_folders,
    service_user,
    system_unit,
    user_unit,
    values_of,
)
from mosaicd.jobs.originals import Folders

SOURCES = Path(__file__).resolve().parents[2] / "systemd"
DATABASE = Path("/var/lib/mosaicd/mosaicd.sqlite3")
# Files that are there, and that everybody may read, stand for the script, for Python and for the code.
THERE = Program(
    script=Path("/usr/bin/env"),
    package=Path("/usr/lib"),
    environment=Path("/opt/mosaicd"),
    interpreter=Path(os.path.realpath("/usr/bin/env")),
    libraries=(Path("/usr/lib"),),
)
IN_OPT = Program(
    script=Path("/opt/mosaicd/bin/mosaicd"),
    package=Path("/opt/mosaicd/lib/python3.11/site-packages/mosaicd"),
    environment=Path("/opt/mosaicd"),
    interpreter=Path("/usr/bin/python3.11"),
    libraries=(Path("/usr/lib"),),
)


def places(root: str, **apart: str) -> SystemPlaces:
    """The folders of a root, some of them apart from it."""
    names = {name: Path(root, name) for name in ("inbox", "outbox", "archive", "rejected")}
    names["staging"] = Path(root, ".staging")
    return SystemPlaces(
        root=Path(root), folders=Folders(**names | {name: Path(path) for name, path in apart.items()})
    )


USUAL = places("/srv/mosaicd")


def source(name: str) -> str:
    return (SOURCES / name).read_text("utf-8")


# ---- What is written


def test_usual_installation_gets_the_files_as_they_are() -> None:
    assert system_unit(IN_OPT, USUAL, Options()) == f"{MARK}\n{source('mosaicd.service')}"
    assert service_user() == f"{MARK}\n{source('sysusers.d/mosaicd.conf')}"
    assert service_folders(USUAL) == f"{MARK}\n{source('tmpfiles.d/mosaicd.conf')}"


def test_unit_starts_the_program_where_it_is_and_lets_it_run_there() -> None:
    elsewhere = replace(
        IN_OPT, script=Path("/srv/programs/m/bin/mosaicd"), environment=Path("/srv/programs/m")
    )
    unit = system_unit(elsewhere, USUAL, Options())
    assert values_of(unit, "ExecStart") == ["/srv/programs/m/bin/mosaicd run"]
    assert values_of(unit, "ExecPaths")[0].startswith("/srv/programs/m /usr/lib ")
    assert "/opt/mosaicd" not in unit


def test_python_that_the_unit_does_not_know_may_run_with_its_libraries() -> None:
    other = replace(
        IN_OPT, interpreter=Path("/opt/python/bin/python3.14"), libraries=(Path("/opt/python/lib"),)
    )
    allowed = values_of(system_unit(other, USUAL, Options()), "ExecPaths")
    assert allowed[0].startswith("/opt/mosaicd /opt/python/bin/python3.14 /opt/python/lib /usr/lib ")


def test_program_beside_the_systems_packages_lets_nothing_else_run_that_is_there() -> None:
    beside = replace(IN_OPT, script=Path("/usr/local/bin/mosaicd"), environment=None)
    allowed = values_of(system_unit(beside, USUAL, Options()), "ExecPaths")
    assert allowed[0].startswith("/usr/local/bin/mosaicd /usr/lib ")
    assert {"/usr", "/usr/bin", "/usr/local", "/usr/local/bin"}.isdisjoint(" ".join(allowed).split())


def test_other_root_is_the_one_that_is_written_to_and_in_which_nothing_is_started() -> None:
    unit = system_unit(IN_OPT, places("/data/mosaics"), Options())
    assert values_of(unit, "ReadWritePaths") == ["/data/mosaics"]
    assert values_of(unit, "RequiresMountsFor") == ["/data/mosaics /var/lib/mosaicd"]
    assert values_of(unit, "NoExecPaths") == ["/ /data/mosaics /var/lib/mosaicd /tmp /var/tmp -/dev/shm"]
    assert values_of(unit, "Environment") == ["MOSAICD_ROOT=/data/mosaics"]
    assert "/srv/mosaicd" not in unit + service_folders(places("/data/mosaics"))


def test_folders_apart_from_the_root_are_listed_and_made_as_well() -> None:
    apart = places("/data/mosaics", archive="/slow/archive", inbox="/data/mosaics/drop/here")
    assert values_of(system_unit(IN_OPT, apart, Options()), "ReadWritePaths") == [
        "/data/mosaics /slow/archive"
    ]
    made = service_folders(apart)
    for folder in ("/data/mosaics", "/slow/archive", "/data/mosaics/drop/here", "/data/mosaics/.staging"):
        assert re.search(rf"^d {re.escape(folder)} +2770 mosaicd mosaicd -$", made, re.MULTILINE)
    for folder in ("/slow/archive", "/data/mosaics/drop/here"):
        assert re.search(rf"^a\+ {re.escape(folder)} ", made, re.MULTILINE)


def test_configuration_file_is_named_to_the_service() -> None:
    unit = system_unit(IN_OPT, USUAL, Options(config=Path("/etc/mosaicd/films.toml")))
    assert values_of(unit, "ExecStart") == ["/opt/mosaicd/bin/mosaicd run --config=/etc/mosaicd/films.toml"]


def test_user_unit_starts_the_program_where_it_is() -> None:
    program = replace(IN_OPT, script=Path("/home/me/m/bin/mosaicd"))
    unit = user_unit(program, Options())
    assert unit == f"{MARK}\n{source('user/mosaicd.service')}".replace(
        "%h/.local/share/mosaicd/bin/mosaicd", "/home/me/m/bin/mosaicd"
    )
    unit = user_unit(program, Options(root=Path("/home/me/Our films"), config=Path("/home/me/100%.toml")))
    assert values_of(unit, "ExecStart") == [
        '/home/me/m/bin/mosaicd run "--root=/home/me/Our films" --config=/home/me/100%%.toml'
    ]


def test_unit_remembers_what_it_was_installed_with() -> None:
    odd = Options(root=Path('/srv/our "films" \\ 100% $HOME'), config=Path("/etc/mosaicd/it's = mine.toml"))
    for options in (odd, Options(), Options(root=odd.root), Options(config=odd.config)):
        assert Options.of(user_unit(IN_OPT, options)) == options
        assert Options.of(system_unit(IN_OPT, USUAL, options)) == options
    assert Options(root=Path("/new")).or_else(odd) == Options(root=Path("/new"), config=odd.config)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_units_with_odd_names_are_verified_without_complaint(tmp_path: Path) -> None:
    root = '/srv/our "films" \\ 100% $HOME 貓'
    program = replace(THERE, script=Path("/bin/true"))
    options = Options(root=Path(root), config=Path(root) / "x.toml")
    for scope, text in (
        ("--system", system_unit(program, places(root, archive="/srv/two words"), options)),
        ("--user", user_unit(program, options)),
    ):
        unit = tmp_path / "mosaicd.service"
        unit.write_text(text, "utf-8")
        done = subprocess.run(
            ["systemd-analyze", scope, "verify", unit],
            capture_output=True, text=True, check=False,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        )  # fmt: skip
        assert (done.returncode, "mosaicd.service" in done.stderr) == (0, False), done.stderr


def test_every_file_of_systemds_comes_with_an_installation() -> None:
    """As pip has recorded it, unless it is installed to be edited."""
    for installed in metadata.distributions(name="mosaicd", path=[sysconfig.get_path("purelib")]):
        files = {str(file) for file in installed.files or ()}
        if "mosaicd/__init__.py" in files:
            wanted = {
                f"mosaicd/installing/systemd/{file.relative_to(SOURCES)}" for file in SOURCES.rglob("*.*")
            }
            assert {each for each in wanted if not each.endswith(".d")} <= files
            return
    pytest.skip("mosaicd is not installed, or installed to be edited")


# ---- What is refused


def refusals(
    program: Program = THERE,
    folders: SystemPlaces = USUAL,
    config: Path | None = None,
    database: Path = DATABASE,
) -> list[str]:
    return list(system_obstacles(program, folders, Options(config=config), database))


def test_usual_installation_is_not_refused() -> None:
    assert refusals(folders=places("/srv/no-such-folder")) == []
    assert refusals(folders=places("/srv/no-such-folder"), config=Path("/etc/mosaicd/films.toml")) == []


@pytest.mark.parametrize(
    ("program", "folders", "config", "reason"),
    [
        (
            replace(THERE, environment=Path("/home/me/venv")), USUAL, None,
            "cannot see the program (/home/me/venv), since ProtectHome= hides /home from it: install it elsewhere",
        ),
        (replace(THERE, environment=Path("/tmp/venv")), USUAL, None, "since PrivateTmp= hides /tmp"),  # noqa: S108
        (THERE, places("/var/tmp/mosaics"), None, "since PrivateTmp= hides /var/tmp"),  # noqa: S108
        (
            replace(THERE, libraries=(Path("/root/.pyenv/versions/3.12/lib"),)), USUAL, None,
            "cannot see its Python (/root/.pyenv/versions/3.12/lib), since ProtectHome= hides /root",
        ),
        (THERE, places("/home/me/Mosaics"), None, "cannot see its root (/home/me/Mosaics), since ProtectHome="),
        (THERE, places("/dev/mosaics"), None, "since PrivateDevices= hides /dev from it: name another --root"),
        (
            THERE, places("/srv/mosaicd", inbox="/home/me/Sync"), None,
            "cannot see its inbox (/home/me/Sync), since ProtectHome=",
        ),
        (THERE, USUAL, Path("/root/films.toml"), "cannot see its configuration file (/root/films.toml)"),
        (
            replace(THERE, environment=Path("/srv/mosaicd/venv")), USUAL, None,
            "the program (/srv/mosaicd/venv) lies in /srv/mosaicd, where the system service may write",
        ),
        (THERE, places("/srv/two\nlines"), None, "'/srv/two\\nlines' cannot be written into a unit"),
        (THERE, places("/srv/caf\udce9"), None, "'/srv/caf\\udce9' cannot be written into a unit"),
        (THERE, places("/usr/lib"), None, "its root (/usr/lib) belongs to root, and the service would take it"),
        (THERE, places("/usr/bin/env"), None, "its root (/usr/bin/env) is no folder"),
    ],
)  # fmt: skip
def test_what_the_system_service_cannot_use_is_refused(
    program: Program, folders: SystemPlaces, config: Path | None, reason: str
) -> None:
    assert reason in "\n".join(refusals(program, folders, config))


def test_link_to_what_is_hidden_is_refused(tmp_path: Path) -> None:
    hidden = tmp_path / "venv"
    hidden.symlink_to("/home/me/venv")
    assert "since ProtectHome= hides /home" in refusals(replace(THERE, environment=hidden))[0]


def test_code_that_is_edited_in_a_home_is_refused() -> None:
    (reason,) = (each for each in refusals(replace(THERE, package=Path("/root"))) if "code" in each)
    assert "install it without --editable" in reason


def test_script_that_a_shell_starts_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "mosaicd"
    script.write_text('#!/bin/sh\n\'\'\'exec\' "/opt/two words/bin/python" "$0" "$@"\n')
    assert any("is started by a shell" in each for each in refusals(replace(THERE, script=script)))


@pytest.mark.parametrize("closed", ["", "bin", "bin/mosaicd"])
def test_program_that_others_cannot_read_is_refused(closed: str, elsewhere: Path) -> None:
    home = elsewhere / "venv"
    script = home / "bin" / "mosaicd"
    script.parent.mkdir(parents=True)
    script.touch()
    for place in (elsewhere, home, script.parent, script):
        place.chmod(0o755)
    program = replace(THERE, environment=home, script=script)
    assert not any("cannot read" in each for each in refusals(program))
    (home / closed).chmod(0o750)
    mending = (
        f"the system service's user cannot read {home / closed}: `chmod --recursive go+rX {home}` lets it"
    )
    assert mending in refusals(program)


def test_database_elsewhere_is_refused() -> None:
    (reason,) = refusals(folders=places("/srv/no-such-folder"), database=Path("/data/mosaicd.sqlite3"))
    assert "take the setting database (/data/mosaicd.sqlite3) out" in reason


def test_empty_folder_and_new_disk_are_taken(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert not any("belongs to" in each for each in refusals(folders=places(str(tmp_path))))
    (tmp_path / "photo.jpg").touch()
    assert any("belongs to" in each for each in refusals(folders=places(str(tmp_path))))


def test_unit_for_one_person_hides_nothing_but_takes_no_odd_letters() -> None:
    assert list(user_obstacles(THERE, Options(root=Path("/tmp/Mosaics")))) == []  # noqa: S108
    assert len(list(user_obstacles(THERE, Options(root=Path("/home/me/bell\a"))))) == 1


def test_machine_without_systemd_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_BOOTED", tmp_path / "not-there")
    service = Service(unit=tmp_path / "mosaicd.service")
    for attempt in (service.require_installable, service.remove):
        with pytest.raises(MosaicdError, match="no systemd runs this machine"):
            attempt()


# ---- Which program is running


def test_running_program_is_the_one_that_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "own" / "mosaicd"
    script.parent.mkdir()
    script.touch()
    link = tmp_path / "mosaicd"
    link.symlink_to(script)
    monkeypatch.setattr(sys, "argv", [str(link), "install-service"])
    program = running_program()
    assert program.script == script
    assert program.interpreter == Path(os.path.realpath(sys.executable))
    assert program.package == Path(services.__file__).parents[1]


def test_program_started_as_a_module_is_the_script_beside_its_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/mosaicd/__main__.py", "install-service"])
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(MosaicdError, match="install mosaicd with pip"):
        running_program()
    (tmp_path / "mosaicd").touch()
    assert running_program().script == tmp_path / "mosaicd"
