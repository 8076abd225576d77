"""Find a Chromium-family browser for the site tests; install Debian's where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
MISSING = (
    "no Chromium-family browser found for the site tests. Install one and run again:\n"
    "  Debian/Ubuntu  sudo apt-get install chromium    (Ubuntu: chromium-browser)\n"
    "  Fedora         sudo dnf install chromium\n"
    "  macOS          brew install --cask google-chrome\n"
    "  Windows        winget install Google.Chrome\n"
    "or set CHROMIUM to the browser's path."
)
# Quiet, offline, and able to run as root in a container.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str | None:
    """Path of the browser: $CHROMIUM, then PATH, then the usual places; None when there is none."""
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return chosen if Path(chosen).exists() else None
    on_path = next((p for p in map(shutil.which, NAMES) if p), None)
    return on_path or next((p for p in PLACES if Path(p).exists()), None)


def require() -> str:
    """Path of the browser. Raises RuntimeError that says what to install."""
    path = find()
    if path is None:
        raise RuntimeError(MISSING)
    return path


def main(args: list[str] | None = None) -> int:
    """Make sure that a browser is there: with apt when we may, else say plainly what to install."""
    if find() is None and shutil.which("apt-get"):
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if not sudo or shutil.which("sudo"):
            print("installing chromium with apt-get …", flush=True)
            for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
                if subprocess.run([*sudo, "apt-get", *step], stdout=subprocess.DEVNULL).returncode:
                    break
    try:
        print(f"browser for the site tests: {require()}")
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
