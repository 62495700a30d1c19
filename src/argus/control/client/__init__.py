"""The REST API from the other side: a plain client for the command line and for programs.

>>> with Client.found() as client:
...     for camera in client.list("cameras"):
...         print(camera["metadata"]["name"])
"""

from argus.control.client.client import Client
from argus.control.client.errors import (
    NotAllowed,
    NotThere,
    Overtaken,
    RequestInvalid,
    RequestRefused,
    ServerMissing,
    ServerTroubled,
)
from argus.control.client.finding import Address, find_server

__all__ = [
    "Address",
    "Client",
    "NotAllowed",
    "NotThere",
    "Overtaken",
    "RequestInvalid",
    "RequestRefused",
    "ServerMissing",
    "ServerTroubled",
    "find_server",
]
