"""Every frame is counted: the link to here is DURABLE, so none is missing."""

from argus import Frame, SinkNode


class Logger(SinkNode):
    """Says how many frames it has had."""

    def setup(self) -> None:
        self.count = 0

    def loop(self, data: Frame) -> None:
        self.count += 1
        if self.count % 50 == 0:
            self.log.info("logger.frames", count=self.count, last=data.index)

    def teardown(self) -> None:
        self.log.info("logger.done", count=self.count)
