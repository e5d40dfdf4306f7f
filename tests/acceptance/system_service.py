"""The system unit in a throw-away systemd: its places, its settings, its processes, and what is dropped for it."""

from pathlib import Path

from PIL import Image

from tests.acceptance.systemd_sandbox import FILM, SETTINGS, Sandbox, Service

ROOT = "/srv/mosaicd"
STATE = "/var/lib/mosaicd"
CONFIG = "/etc/mosaicd/mosaicd.toml"
UNIT = "/etc/systemd/system/mosaicd.service"
UNIT_MATCH = "-umosaicd.service"


def system_unit(sandbox: Sandbox) -> Service:
    """The system unit, installed and not started."""
    return Service(sandbox, lambda *words: sandbox.run("systemctl", *words, check=False), match=UNIT_MATCH)


def start(sandbox: Sandbox, unit: Service, *, settings: str = SETTINGS) -> None:
    """Start the unit with these settings, or restart it if it has others."""
    config = sandbox.path(CONFIG)
    command = "start"
    if not config.exists() or config.read_text() != settings:
        sandbox.write(CONFIG, settings)
        command = "restart"
    unit.systemctl("reset-failed", "mosaicd")
    started = unit.systemctl(command, "mosaicd")
    assert started.returncode == 0, started.stderr


def fill_library(sandbox: Sandbox, service: Service) -> None:
    """See to it that the default library has the tiles of a film."""
    if not service.events("source_spliced", file=FILM):
        drop(sandbox, FILM)
        service.wait_for(lambda: service.events("source_spliced", file=FILM), "the film is spliced")


def drop(sandbox: Sandbox, source: str, target: str | None = None) -> None:
    """Copy a file into the inbox, as a person's sync tool with the usual umask does."""
    place = f"{ROOT}/inbox/{target or source}"
    copy = 'umask 022; mkdir -p "${2%/*}"; cp "$1" "$2"'
    sandbox.run_as_person("sh", "-ec", copy, "drop", f"{sandbox.share_inside}/{source}", place)


def journal(sandbox: Sandbox) -> list[str]:
    """What the journal says of the unit, by systemd as well as by the daemon, a line each."""
    return sandbox.run("journalctl", "--output=cat", "--no-pager", UNIT_MATCH).stdout.splitlines()


def mosaic(sandbox: Sandbox, name: str) -> Path:
    """Where a mosaic is found from here."""
    return sandbox.path(f"{ROOT}/outbox/{name}.mosaic.jpg")


def size(image: Path) -> tuple[int, int]:
    """Width and height in pixels."""
    with Image.open(image) as opened:
        return opened.size
