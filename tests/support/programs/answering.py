"""A session that answers every question at once, or none where its environment has SILENT.

It stands where no test looks into the session, and takes no time to come up.
"""

import http.server
import os
import signal
import threading
import urllib.parse


class _Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


for ending in (signal.SIGTERM, signal.SIGINT):
    signal.signal(ending, lambda *_: os._exit(0))
if "SILENT" in os.environ:
    threading.Event().wait()
address = urllib.parse.urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
http.server.ThreadingHTTPServer((address.hostname or "", address.port or 8888), _Answering).serve_forever()
