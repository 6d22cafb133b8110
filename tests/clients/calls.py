"""CLIENT CALL: one call by one Python client, as a program would make it that knows nothing of Holdpoint.

CALL is `safe`, `held` (a rule holds it, the client waits) or `parked` (a rule holds it, the client's patience is short).
Prints one line of JSON: what came of it, and what the program's user sees. Clients are left as they are by themselves,
but where they would not find the proxy or its roots, and where a loaded machine could reach their time-out.
"""

import asyncio
import importlib.metadata
import json
import os
import sys

PROXY = os.environ["HTTPS_PROXY"]
ROOTS = os.environ["SSL_CERT_FILE"]
ORIGIN = "https://api.test"
BODY = '{"text":"häppy ☃","n":[1,2.50,1e3]}'.encode()
JSON = {"Content-Type": "application/json"}
CLIENTS = {}


class Seen(Exception):
    """A client that reports a status as an ordinary answer: its user looks at it."""


def answered(error):
    """The text of the answer, for errors that carry it."""
    response = getattr(error, "response", None)
    return "" if response is None else response.text


def client(*packages, timeout, body=lambda error: ""):
    """`timeout` is what the client does by itself; `body` finds the answer's text in what it raises."""

    def register(function):
        CLIENTS[function.__name__] = (function, packages, timeout, body)
        return function

    return register


def plain(call):
    """Method, path and body of the call, for clients that are told all three."""
    if call == "safe":
        return "POST", "/echo?q=a%20b&q=2", BODY
    return "DELETE", f"/things/{call}", None


# ---- HTTP


@client("requests", timeout="none", body=answered)
def requests(call):
    import requests

    method, path, body = plain(call)
    answer = requests.request(method, ORIGIN + path, data=body, headers=JSON if body else None)
    answer.raise_for_status()
    return answer.text


@client("requests", timeout="none", body=answered)
def requests_file(call):
    import requests

    path = "/echo" if call == "safe" else f"/files/{call}"
    answer = requests.post(ORIGIN + path, files={"file": ("häppy.txt", b"one\ntwo")}, data={"note": "three"})
    answer.raise_for_status()
    return answer.status_code  # the text has a boundary that is new each time


@client("httpx", timeout=lambda: f"{__import__('httpx').Client().timeout.read:g} s", body=answered)
def httpx(call, http2=False):
    import httpx

    method, path, body = plain(call)
    # Longer than its own: a loaded machine may need more than 5 s to approve.
    with httpx.Client(http2=http2, timeout=60) as session:
        answer = session.request(method, ORIGIN + path, content=body, headers=JSON if body else None)
        answer.raise_for_status()
        return answer.text


@client("httpx", timeout=CLIENTS["httpx"][2], body=CLIENTS["httpx"][3])
def httpx_h2(call):
    return httpx(call, http2=True)


@client("aiohttp", timeout=lambda: f"{__import__('aiohttp').client.DEFAULT_TIMEOUT.total} s")
def aiohttp(call):
    import aiohttp

    async def run():
        method, path, body = plain(call)
        async with aiohttp.ClientSession(trust_env=True) as session:  # without it no proxy is used at all
            async with session.request(method, ORIGIN + path, data=body, headers=JSON if body else None) as answer:
                text = await answer.text()
                try:
                    answer.raise_for_status()
                except aiohttp.ClientResponseError as error:
                    error.body = text
                    raise
                return text

    return asyncio.run(run())


@client("urllib3", timeout="none")
def urllib3(call):
    import urllib3

    method, path, body = plain(call)
    manager = urllib3.ProxyManager(PROXY, ca_certs=ROOTS)  # it reads no variable
    answer = manager.request(method, ORIGIN + path, body=body, headers=JSON if body else None)
    return looked_at(answer.status, answer.data.decode())


@client(timeout="none", body=lambda error: error.read().decode() if hasattr(error, "code") else "")
def urllib(call):
    from urllib.request import Request, urlopen

    method, path, body = plain(call)
    return urlopen(Request(ORIGIN + path, body, JSON if body else {}, method=method)).read().decode()


# ---- SDKs


@client("google-api-python-client", timeout=lambda: f"{__import__('googleapiclient.http').http.DEFAULT_HTTP_TIMEOUT_SEC} s")
def google(call):
    from googleapiclient.discovery import build_from_document
    from googleapiclient.http import build_http

    text = {"type": "string"}
    file = {"id": "File", "type": "object", "properties": {"id": text, "name": text}}
    by_id = {"fileId": {"type": "string", "location": "path", "required": True}}
    document = {
        "name": "drive", "version": "v3", "rootUrl": ORIGIN + "/", "servicePath": "drive/v3/", "batchPath": "batch",
        "schemas": {"File": file},
        "resources": {"files": {"methods": {
            "create": {"id": "drive.files.create", "path": "files", "httpMethod": "POST",
                       "request": {"$ref": "File"}, "response": {"$ref": "File"}},
            "delete": {"id": "drive.files.delete", "path": "files/{fileId}", "httpMethod": "DELETE",
                       "parameters": by_id, "parameterOrder": ["fileId"]},
        }}},
    }
    files = build_from_document(document, http=build_http()).files()
    if call == "safe":
        return files.create(body={"name": "häppy"}).execute()["id"]
    return files.delete(fileId=call).execute()


@client("kubernetes", timeout="none")
def kubernetes(call):
    from kubernetes import client

    settings = client.Configuration()
    settings.host = ORIGIN
    api = client.CoreV1Api(client.ApiClient(settings))
    if call == "safe":
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="settings"), data={"text": "häppy"})
        return api.create_namespaced_config_map("default", body).data["text"]
    return api.delete_namespaced_pod(call, "default").metadata.name


@client("stripe", timeout=lambda: f"{__import__('stripe').RequestsClient()._timeout} s")
def stripe(call):
    import stripe

    stripe.ca_bundle_path = ROOTS  # it has its own roots, and no variable for others
    api = stripe.StripeClient("sk_test_1", base_addresses={"api": ORIGIN}).v1
    if call == "safe":
        return api.customers.create({"name": "häppy", "metadata": {"team": "web"}}).id
    return api.refunds.create({"charge": call, "amount": 100}).id


@client("PyGithub", timeout=lambda: f"{__import__('github').Consts.DEFAULT_TIMEOUT} s")
def pygithub(call):
    import github

    session = github.Github(base_url=ORIGIN, auth=github.Auth.Token("ghp_1"))
    if call == "safe":
        return session.get_repo("acme/site", lazy=True).create_issue("häppy", body="one\ntwo").title
    return session.get_repo(f"acme/{call}", lazy=True).delete()


@client("openai", timeout=lambda: f"{__import__('openai').DEFAULT_TIMEOUT.read:g} s, announced")
def openai(call):
    import openai

    api = openai.OpenAI(base_url=ORIGIN + "/v1", api_key="sk-1")
    if call != "safe":
        return api.files.delete(call).id
    said = [{"role": "user", "content": "häppy?"}]
    stream = api.chat.completions.create(model="small", messages=said, stream=True)
    parts = []
    for event in stream:
        parts.append(event.choices[0].delta.content)
        if len(parts) == 1:
            api.models.retrieve("small")  # the rest comes only after this: the first event did not wait for the last
    return "".join(parts)


@client("anthropic", timeout=lambda: f"{__import__('anthropic').DEFAULT_TIMEOUT.read:g} s, announced")
def anthropic(call):
    import anthropic

    api = anthropic.Anthropic(base_url=ORIGIN, api_key="sk-1")
    if call != "safe":
        return api.messages.batches.delete(call).id
    said = [{"role": "user", "content": "häppy?"}]
    parts = []
    with api.messages.stream(model="small", max_tokens=9, messages=said) as stream:
        for text in stream.text_stream:
            parts.append(text)
            if len(parts) == 1:
                api.models.retrieve("small")  # see openai
    return "".join(parts)


# ---- AWS


def aws(service):
    import boto3
    from botocore.config import Config

    return boto3.client(service, config=Config(s3={"addressing_style": "path"}))


def botocore_timeout():
    from botocore.endpoint import DEFAULT_TIMEOUT

    return f"{DEFAULT_TIMEOUT} s"


@client("boto3", timeout=botocore_timeout)
def boto3_dynamodb(call):
    dynamodb = aws("dynamodb")
    if call != "safe":
        return dynamodb.delete_table(TableName=call)["TableDescription"]["TableName"]
    item = {"id": {"S": "1"}, "text": {"S": "häppy"}}
    dynamodb.put_item(TableName="table", Item=item)
    assert dynamodb.get_item(TableName="table", Key={"id": {"S": "1"}})["Item"] == item
    return item["text"]["S"]


@client("boto3", timeout=botocore_timeout)
def boto3_s3(call):
    from boto3.s3.transfer import TransferConfig

    s3 = aws("s3")
    if call != "safe":
        return s3.delete_object(Bucket="bucket", Key=call)["ResponseMetadata"]["HTTPStatusCode"]
    s3.put_object(Bucket="bucket", Key="a b/c+d", Body=b"text")
    assert s3.get_object(Bucket="bucket", Key="a b/c+d")["Body"].read() == b"text"
    megabyte = 1024 * 1024
    with open("large", "wb") as file:
        file.write(bytes(range(256)) * (12 * megabyte // 256))
    parts = TransferConfig(multipart_threshold=6 * megabyte, multipart_chunksize=6 * megabyte, use_threads=False)
    s3.upload_file("large", "bucket", "large", Config=parts)
    s3.download_file("bucket", "large", "copy", Config=parts)
    with open("large", "rb") as sent, open("copy", "rb") as received:
        assert sent.read() == received.read()
    return "the same"


# ---- streams of messages


@client("websockets", timeout="10 s to open", body=lambda error: error.response.body.decode())
def websockets(call):
    from websockets.sync.client import connect

    with connect(f"wss://api.test/{call}", open_timeout=60) as socket:
        for message in ["häppy", b"\x00\xff" * 40_000, ""]:
            socket.send(message)
            assert socket.recv() == message
        socket.ping().wait(60)
        return "the same"


@client("grpcio", timeout="none")
def grpc(call):
    import grpc

    # A channel verifies by the file of GRPC_DEFAULT_SSL_ROOTS_FILE_PATH and finds the proxy by https_proxy.
    channel = grpc.secure_channel("api.test:443", grpc.ssl_channel_credentials())
    if call != "safe":
        return channel.unary_unary(f"/things.v1.Things/Delete{call.title()}")(b"seven").decode()
    asked = (("team", "web"), ("key-bin", b"\x00\xff"))
    answer = channel.unary_unary("/things.v1.Things/Look")("häppy".encode(), metadata=asked)
    streamed = channel.stream_stream("/things.v1.Things/Watch")
    # The second is sent only when the first has come back.
    sent = []

    def numbers():
        for n in range(3):
            sent.append(n)
            yield bytes([n])

    for n, echoed in enumerate(streamed(numbers())):
        assert echoed == bytes([n])
    return answer.decode()


@client("mcp", timeout=lambda: f"{mcp_timeout():g} s")
def mcp(call, mode="auto"):
    import mcp

    tool = "look_up" if call == "safe" else f"delete_{call}"

    async def run():
        async with mcp.Client(ORIGIN + "/mcp", mode=mode) as session:
            names = [tool.name for tool in (await session.list_tools()).tools]
            assert "look_up" in names, names
            try:
                answer = await session.call_tool(tool, {"name": "häppy"})
            except mcp.MCPError as error:
                if call != "parked" or mode == "auto":
                    raise
                # Another session's call would be another call: this one waits as it was told, and repeats its own.
                report(error=error)
                await reviewed(str(error))
                answer = await session.call_tool(tool, {"name": "häppy"})
            assert not answer.is_error, answer
            return answer.content[0].text

    return asyncio.run(run())


@client("mcp", timeout=lambda: f"{mcp_timeout():g} s")
def mcp_session(call):
    return mcp(call, "legacy")  # revisions up to 2025-11-25


async def reviewed(message):
    """Returns when the hold that the message tells of is decided."""
    import re

    import httpx

    (url,) = re.findall(r"http://holdpoint.internal/holds/\w+", message)
    async with httpx.AsyncClient(timeout=60) as own:
        while (await own.get(url, headers={"Prefer": "wait=25"})).json()["state"] == "pending":
            pass


def mcp_timeout():
    from mcp.shared._httpx_utils import create_mcp_http_client

    return create_mcp_http_client().timeout.read


# ---- what comes of it


def looked_at(status, text):
    if status >= 400:
        error = Seen(f"status {status}")
        error.body = text
        raise error
    return text


def main():
    name, call = sys.argv[1:]
    try:
        report(answer=CLIENTS[name][0](call))
    except Exception as error:
        if isinstance(error, (AssertionError, ImportError, NameError, AttributeError)):
            raise
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        report(error=error)


def report(error=None, answer=None):
    _, packages, timeout, body = CLIENTS[sys.argv[1]]
    told = {
        "version": [f"{package} {importlib.metadata.version(package)}" for package in packages] or ["of Python"],
        "timeout": timeout() if callable(timeout) else timeout,
        "answer": answer,
    }
    if error is not None:
        told["raised"] = type(error).__name__
        told["error"] = str(error)
        told["body"] = str(getattr(error, "body", None) or body(error))
    print(json.dumps(told, default=str), flush=True)


main()
