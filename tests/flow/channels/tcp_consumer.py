"""A process with a receiving end: prints the index and the age in ms of each message that it is handed."""

from __future__ import annotations

import select
import sys

import msgspec

from argus.flow.channels.protocol import ChannelDown
from argus.flow.channels.tcp_receiver import TcpReceiver
from argus.flow.channels.tcp_spec import TcpSpec


def main() -> None:
    spec = msgspec.json.decode(sys.argv[1], type=TcpSpec)
    receiver = TcpReceiver(spec, spec.links[0].link)
    while True:
        try:
            delivery = receiver.receive()
        except ChannelDown as error:
            print("down", error, flush=True)
            delivery = None
        if delivery is None:
            select.select([receiver], [], [], receiver.next_look_s())
            continue
        print(delivery.header.origin.index, round(delivery.header.age_s() * 1000, 1), flush=True)
        receiver.accept(delivery)


if __name__ == "__main__":
    main()
