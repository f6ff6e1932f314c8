"""Which process a connection on this machine comes from, as Linux tells it in /proc."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

ESTABLISHED = "01"
INODE_COLUMN = 9


def connecting_process(pids: Mapping[str, int], client_port: int, server_port: int) -> str | None:
    """The name among ``pids`` of the process that has connected, or None for anybody else.

    Both ports are on 127.0.0.1.
    """
    inode = _inode_of(client_port, server_port)
    if inode is None:
        return None
    link = f"socket:[{inode}]"
    for name, pid in pids.items():
        if link in _open_files(pid):
            return name
    return None


def _inode_of(client_port: int, server_port: int) -> str | None:
    local, remote = _address(client_port), _address(server_port)
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1] == local and columns[2] == remote and columns[3] == ESTABLISHED:
            return columns[INODE_COLUMN]
    return None


def _address(port: int) -> str:
    (host,) = struct.unpack("=I", socket.inet_aton("127.0.0.1"))
    return f"{host:08X}:{port:04X}"


def _open_files(pid: int) -> set[str]:
    links = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                links.add(os.readlink(entry.path))
            except FileNotFoundError:
                continue  # It was closed meanwhile.
    except FileNotFoundError:
        return set()  # The process has ended.
    return links
