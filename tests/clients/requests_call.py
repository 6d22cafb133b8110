"""METHOD URL BODY by requests, as a program would that knows nothing of a proxy."""

import sys

import requests

method, url, body = sys.argv[1:]
fields = {"Content-Type": "application/json"} if body else {}
answer = requests.request(method, url, data=body.encode() or None, headers=fields, timeout=60)
print(answer.status_code, answer.text)
