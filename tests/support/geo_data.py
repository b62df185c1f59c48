"""Small geo databases in MaxMind's format."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

Networks = dict[str, dict[str, Any]]
COUNTRY: Networks = {
    "192.0.2.0/24": {"country": {"iso_code": "DE"}},
    "198.51.100.0/24": {"country": {"iso_code": "FR"}},
    "127.0.0.0/8": {"country": {"iso_code": "DE"}},
    "2001:db8::/32": {"country": {"iso_code": "US"}},
}
SYSTEMS: Networks = {
    "192.0.2.0/24": {"autonomous_system_number": 64500},
    "203.0.113.0/24": {"autonomous_system_number": 64501},
}


def written(networks: Networks) -> bytes:
    """A database that knows these networks."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test")
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    with tempfile.NamedTemporaryFile(suffix=".mmdb") as file:
        writer.to_db_file(file.name)
        return Path(file.name).read_bytes()
