"""--http1|--http2 METHOD URL BODY by httpx, as a program would that knows nothing of a proxy."""

import sys

import httpx

version, method, url, body = sys.argv[1:]
fields = {"Content-Type": "application/json"} if body else {}
with httpx.Client(http2=version == "--http2", timeout=60) as client:
    answer = client.request(method, url, content=body.encode() or None, headers=fields)
    print(answer.status_code, answer.text)
