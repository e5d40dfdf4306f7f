"""rsync, scp, rclone and Samba bring films and photos as README's recipes have it, however often they die."""

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from tests.daemon_process import DaemonProcess, wait_until
from tests.deliveries import (
    FILM,
    HEADING,
    MOSAICS,
    MUG,
    PHOTO_FILES,
    PORTRAIT,
    SMALL,
    camera,
    end_in_mid_transfer,
    film_parts,
    recipes,
    require_taken_once,
    run,
    with_programs_of_the_tests,
)
from tests.readme import section
from tests.sync_servers import program, s3_server, samba_server, ssh_server

KILLED_TEN_TIMES = [SIGKILL] * 10


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """One daemon for all these programs: each has a library of its own."""
    with DaemonProcess(tmp_path_factory.mktemp("machine"), **SMALL, originals="leave") as daemon:
        daemon.wait_for("daemon_ready")
        yield daemon
        assert daemon.terminate() == 0


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a camera holds."""
    return camera(tmp_path_factory.mktemp("person") / "Camera")


def library(daemon: DaemonProcess, name: str) -> tuple[Path, Path]:
    """Inbox and outbox of a library."""
    inbox = daemon.inbox / name
    inbox.mkdir()
    return inbox, daemon.outbox / name


def wait_for_mosaics(outbox: Path) -> None:
    wait_until(
        lambda: outbox.is_dir() and {path.name for path in outbox.iterdir()} >= MOSAICS, what="both mosaics"
    )


def film_bytes(pictures: Path) -> int:
    return (pictures / FILM).stat().st_size


def sent_to(name: str, pictures: Path) -> dict[str, Path]:
    return {f"{name}/{file.name}": file for file in pictures.iterdir()}


def test_rsync(daemon: DaemonProcess, pictures: Path, tmp_path: Path) -> None:
    program("rsync", "rsync")
    inbox, outbox = library(daemon, "rsync")
    push, fetch = recipes("rsync")
    push = push.replace("server:Mosaics/inbox", str(inbox)).replace("Camera", str(pictures))
    end_in_mid_transfer(
        f"{push} --bwlimit=500",
        inbox,
        film_bytes=film_bytes(pictures),
        deaths=[SIGKILL, SIGTERM] * 5,
    )
    for _ in range(2):
        run(push)
    wait_for_mosaics(outbox)
    run(fetch.replace("server:Mosaics/outbox", str(outbox)).replace(" Mosaics/", f" {tmp_path}/"))
    assert {path.name for path in tmp_path.iterdir()} >= MOSAICS
    require_taken_once(daemon, sent_to("rsync", pictures), kept_in=daemon.inbox, among="rsync/")


def test_rclone(daemon: DaemonProcess, pictures: Path) -> None:
    environment = with_programs_of_the_tests()
    require_rclone(environment)
    inbox, outbox = library(daemon, "rclone")
    (push,) = [line for line in recipes("rclone") if "Camera" in line]
    push = push.replace("~/Mosaics/inbox", str(inbox)).replace("Camera", str(pictures))
    end_in_mid_transfer(
        push,
        inbox,
        film_bytes=film_bytes(pictures),
        deaths=KILLED_TEN_TIMES,
        environment=environment | {"RCLONE_BWLIMIT": "500k"},
    )
    for _ in range(2):
        run(push, environment=environment)
    wait_for_mosaics(outbox)
    require_taken_once(daemon, sent_to("rclone", pictures), kept_in=daemon.inbox, among="rclone/")


def test_the_four_folders_of_an_s3_bucket(daemon: DaemonProcess, pictures: Path, tmp_path: Path) -> None:
    inbox, outbox = library(daemon, "s3")
    fetch_films, fetch_tiles, fetch_photos, push = [
        line.replace("BUCKET", "bucket")
        .replace("~/Mosaics/inbox", str(inbox))
        .replace("~/Mosaics/outbox", str(outbox))
        for line in recipes("rclone")
        if "BUCKET" in line
    ]
    with s3_server(tmp_path / "s3") as variables:
        environment = with_programs_of_the_tests(**variables)
        require_rclone(environment)
        sent = {"tile-videos": FILM, "tile-images": MUG, "source-images": PORTRAIT}
        for folder, name in sent.items():
            run(f"rclone copy {pictures / name} s3:bucket/{folder}", environment=environment)
        end_in_mid_transfer(
            fetch_films,
            inbox,
            film_bytes=film_bytes(pictures),
            deaths=KILLED_TEN_TIMES,
            environment=environment | {"RCLONE_BWLIMIT": "500k"},
        )
        for command in (fetch_films, fetch_tiles, fetch_photos):
            run(command, environment=environment)
        image = f"{Path(PORTRAIT).stem}.mosaic.jpg"
        wait_until((outbox / image).exists, what="the mosaic")
        run(push, environment=environment)
        listing = subprocess.run(
            ["rclone", "lsf", "-R", "--files-only", "s3:bucket"],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        ).stdout.split()
    assert f"result-mosaics/{image}" in listing
    assert all(name.startswith("result-mosaics/") for name in listing), "what has been fetched is still there"
    taken = {f"s3/{FILM}": FILM, f"s3/tiles/{MUG}": MUG, f"s3/{PORTRAIT}": PORTRAIT}
    require_taken_once(
        daemon,
        {path: pictures / name for path, name in taken.items()},
        kept_in=daemon.inbox,
        among="s3/",
    )


def test_scp_under_another_name(daemon: DaemonProcess, pictures: Path, tmp_path: Path) -> None:
    inbox, _ = library(daemon, "scp")
    (recipe,) = recipes("scp")
    recipe = recipe.replace("Mosaics/inbox", str(inbox)).replace(f" -p {FILM}", f" -p {pictures / FILM}")
    with ssh_server(tmp_path / "ssh") as programs:
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        end_in_mid_transfer(
            recipe.split("&&", maxsplit=1)[0].replace("scp ", "scp -l 6000 ", 1),
            inbox,
            film_bytes=film_bytes(pictures),
            deaths=KILLED_TEN_TIMES,
            environment=environment,
        )
        run(recipe, environment=environment)
    require_taken_once(daemon, {f"scp/{FILM}": pictures / FILM}, kept_in=daemon.inbox, among="scp/")


def test_scp_that_stands_still_and_goes_on(daemon: DaemonProcess, pictures: Path, tmp_path: Path) -> None:
    inbox, _ = library(daemon, "stalled")
    with ssh_server(tmp_path / "ssh") as programs:
        start_ns = time.time_ns()
        copying = subprocess.Popen(
            [programs / "scp", "-p", "-l", "6000", pictures / FILM, f"server:{inbox}"],
            start_new_session=True,
        )
        wait_until(
            lambda: bool(film_parts(inbox, film_bytes=film_bytes(pictures), since_ns=start_ns)),
            what="a part of the film to arrive",
        )
        os.killpg(copying.pid, signal.SIGSTOP)
        assert copying.poll() is None
        wait_until(lambda: said_of(daemon, f"stalled/{FILM}") != [], what="word of the unfinished film")
        os.killpg(copying.pid, signal.SIGCONT)
        assert copying.wait() == 0
    require_taken_once(daemon, {f"stalled/{FILM}": pictures / FILM}, kept_in=daemon.inbox, among="stalled/")
    assert said_of(daemon, f"stalled/{FILM}")[0] == "file_unfinished"


def test_scp_that_is_killed_and_begun_again_within_the_quiet_period(pictures: Path, tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, **SMALL | {"settle_seconds": 60}) as daemon:
        daemon.wait_for("daemon_ready")
        with ssh_server(tmp_path / "ssh") as programs:
            environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
            end_in_mid_transfer(
                f"scp -p -l 6000 {pictures / FILM} server:{daemon.inbox}",
                daemon.inbox,
                film_bytes=film_bytes(pictures),
                deaths=[SIGKILL] * 3,
                environment=environment,
            )
            run(f"scp -p {pictures / FILM} server:{daemon.inbox}", environment=environment)
        assert daemon.terminate() == 0
    with DaemonProcess(tmp_path, **SMALL) as impatient:
        require_taken_once(impatient, {FILM: pictures / FILM}, kept_in=impatient.archive)
        assert impatient.terminate() == 0


def test_samba(daemon: DaemonProcess, pictures: Path, tmp_path: Path) -> None:
    inbox, _ = library(daemon, "samba")
    (share,) = re.findall(r"```ini\n(.*?)```", section(HEADING), re.DOTALL)
    share = re.sub(r"valid users = .*\n", "", share.replace("/home/ann/Mosaics", str(daemon.root)))
    share = share.replace("= ann", f"= {inbox.owner()}")
    film = (pictures / FILM).read_bytes()
    with samba_server(tmp_path / "samba", share) as options:
        client = ["smbclient", "//127.0.0.1/mosaics", *options, "-c"]
        with subprocess.Popen(
            [*client, f"put - inbox/samba/{FILM}"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as upload:
            assert upload.stdin is not None
            upload.stdin.write(film[: len(film) // 2])
            upload.stdin.flush()
            wait_until(lambda: said_of(daemon, f"samba/{FILM}") != [], what="word of the unfinished film")
            upload.stdin.write(film[len(film) // 2 :])
        for name, file in PHOTO_FILES.items():
            run(shlex.join([*client, f"put {file} inbox/samba/{name}"]))
        wait_for_mosaics(daemon.outbox / "samba")
        for name in MOSAICS:
            run(shlex.join([*client, f"get outbox/samba/{name} {tmp_path / name}"]))
    assert said_of(daemon, f"samba/{FILM}")[0] == "file_unfinished"
    require_taken_once(daemon, sent_to("samba", pictures), kept_in=daemon.inbox, among="samba/")


def test_film_and_photo_that_stay_half_under_their_own_names_do_no_lasting_harm(
    daemon: DaemonProcess, pictures: Path
) -> None:
    program("rsync", "rsync")
    inbox, outbox = library(daemon, "half")
    (inbox / "tiles").mkdir()
    (inbox / "tiles" / PORTRAIT).write_bytes((pictures / PORTRAIT).read_bytes()[:400_000])
    end_in_mid_transfer(
        f"rsync -t --inplace --bwlimit=1500 {pictures / FILM} {inbox}/",
        inbox,
        film_bytes=film_bytes(pictures),
        deaths=[SIGKILL],
        least_bytes=film_bytes(pictures) // 3,
    )
    reason = daemon.rejected / "half" / "tiles" / f"{PORTRAIT}.reason.txt"
    wait_until(reason.exists, what="a reason")
    assert "is cut short" in reason.read_text()
    wait_until(lambda: spliced(daemon, "half/") == [f"half/{FILM}"], what="the film's part to become tiles")
    run(f"rsync -rt --inplace {pictures}/ {inbox}/")
    run(f"rsync -t {pictures / PORTRAIT} {inbox}/tiles/")
    wait_for_mosaics(outbox)
    wait_until(lambda: len(spliced(daemon, "half/")) == 3, what="the whole film and photo to become tiles")
    assert "source_superseded" in said_of(daemon, f"half/{FILM}")
    warnings = {line["event"] for line in daemon.lines() if line["level"] == "warning"}
    assert warnings == {"job_rejected", "source_incomplete"}


def said_of(daemon: DaemonProcess, file: str) -> list[str]:
    """Names of the events that concern a file."""
    return [line["event"] for line in daemon.lines() if line.get("file") == file]


def spliced(daemon: DaemonProcess, among: str) -> list[str]:
    return [event["file"] for event in daemon.events("source_spliced") if event["file"].startswith(among)]


def require_rclone(environment: dict[str, str]) -> None:
    """Skip the test without an rclone that writes under other names first."""
    try:
        words = subprocess.run(
            ["rclone", "version"], check=True, capture_output=True, text=True, env=environment
        )
    except OSError:
        pytest.skip("no rclone on this machine (extra test, or Debian's package rclone)")
    numbers = re.findall(r"\d+", words.stdout)
    if [int(number) for number in numbers[:2]] < [1, 63]:
        pytest.skip(f"rclone {numbers[0]}.{numbers[1]} writes under a file's own name; 1.63 is needed")
