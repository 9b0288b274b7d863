"""A service that only says that it is well: for facts about the supervisor, which does not know what it supervises.

SIGUSR1 makes it refuse every connection from then on, as one does that is not there.
"""

import argparse
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from allotment_hub.configuration import ServiceConfiguration


class _Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    configuration = ServiceConfiguration.read(parser.parse_args().config)
    server = ThreadingHTTPServer((configuration.address, configuration.port), _Well)
    signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()
    threading.Event().wait()
