"""A process with a sending end: sends a number 200 times a second, and prints it when it has."""

from __future__ import annotations

import sys
import time

import msgspec

from argus.flow.channels.tcp_sender import TcpSender
from argus.flow.channels.tcp_spec import TcpSpec
from argus.flow.codec import Encoder
from tests.flow.channels.contract import message


def main() -> None:
    sender = TcpSender(msgspec.json.decode(sys.argv[1], type=TcpSpec))
    for index in range(1_000_000):
        header = message(index)
        sender.send(Encoder().encode(header, index), header, lambda: False)
        print(index, flush=True)
        time.sleep(0.005)


if __name__ == "__main__":
    main()
