"""A service that only says that it is well: for facts about the supervisor, which does not know what it supervises."""

import argparse
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
    ThreadingHTTPServer((configuration.address, configuration.port), _Well).serve_forever()
