"""The server's process as its operator sees it: how soon it serves, how much memory it holds."""

from __future__ import annotations

import time
from pathlib import Path

from e2e.town import Town


def restart(town: Town) -> float:
    """Stop the server and start it again; seconds until it answers."""
    town.server.stop()
    begun = time.monotonic()
    town.server = town.start_server()
    return time.monotonic() - begun


def resident_mb(town: Town) -> float:
    """Memory that the server holds now; not a number where the system does not tell."""
    status = Path(f"/proc/{town.server.popen.pid}/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
