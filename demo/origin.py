"""A small HTTPS origin: answers everything, and logs what reached it.

Makes its own certificate, and leaves it where Holdpoint finds it to trust.
"""

import http.server
import os
import ssl
import subprocess
import sys

NAME = "origin.demo"
SHARED = "/origin"
CERTIFICATE = f"{SHARED}/ca.pem"
KEY = f"{SHARED}/origin.key"
# A server's certificate, not an authority's: a server may not show one of those.
REQUEST = f"""
[req]
distinguished_name = name
x509_extensions = extensions
[name]
[extensions]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:{NAME}
"""


def make_certificate():
    if os.path.exists(CERTIFICATE):
        return
    fresh = f"{CERTIFICATE}.new"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-config", "/dev/stdin", "-subj", f"/CN={NAME}", "-days", "30", "-keyout", KEY, "-out", fresh],
        input=REQUEST, text=True, check=True,
    )
    os.rename(fresh, CERTIFICATE)


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = f"{self.command} {self.path} reached the origin with {len(body)} bytes\n".encode()
        print(f"reached: {self.command} {self.path}", flush=True)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer


make_certificate()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server = http.server.ThreadingHTTPServer(("", 443), Origin)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("the origin listens", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
