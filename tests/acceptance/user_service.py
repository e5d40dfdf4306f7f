"""The user unit in a throw-away systemd --user, and its places."""

from tests.acceptance.systemd_sandbox import (
    INSTALLED,
    PERSON,
    SETTINGS,
    Sandbox,
    Service,
    log_person_in,
    user_service,
)

HOME = f"/home/{PERSON}"
ROOT = f"{HOME}/Mosaics"
PROGRAM = f"{HOME}/.local/share/mosaicd/bin/mosaicd"
CONFIG = f"{HOME}/.config/mosaicd/mosaicd.toml"
UNIT = "/etc/systemd/user/mosaicd.service"


def user_unit(sandbox: Sandbox) -> Service:
    """The user unit, installed and not started, with the person's own systemd."""
    sandbox.run_as_person("mkdir", "-p", f"{HOME}/.config/mosaicd", f"{HOME}/.local/share/mosaicd/bin")
    sandbox.run_as_person("ln", "-s", INSTALLED, PROGRAM)
    sandbox.write(CONFIG, SETTINGS)
    log_person_in(sandbox)
    return user_service(sandbox)
