"""NAME CERTIFICATE KEY LOG: an origin behind TLS for clients that need a real service.

Prints its port when it listens. Before it answers, it writes what came as one line of JSON to LOG.
"""

import asyncio
import hashlib
import json
import ssl
import sys

name, certificate, key, log_file = sys.argv[1:]
log = open(log_file, "a", buffering=1)


def write(method, target, fields, body):
    text = body.decode("utf-8", "replace") if len(body) < 2000 else f"sha256:{hashlib.sha256(body).hexdigest()}"
    print(json.dumps({"method": method, "target": target, "fields": fields, "body": text}), file=log)


def moto():
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server
    from werkzeug.wrappers import Request
    import boto3

    service = DomainDispatcherApplication(create_backend_app)

    def application(environ, start):
        request = Request(environ)
        body = request.get_data(cache=True)
        target = environ.get("RAW_URI") or environ["REQUEST_URI"]
        write(request.method, target, [[n.lower(), v] for n, v in request.headers if v], body)
        environ["wsgi.input"] = __import__("io").BytesIO(body)
        environ["wsgi.input_terminated"] = True
        return service(environ, start)

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_):
            pass

    from moto import mock_aws

    with mock_aws():
        seed = dict(region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
        place = {"LocationConstraint": "eu-central-1"}
        boto3.client("s3", **seed).create_bucket(Bucket="bucket", CreateBucketConfiguration=place)
        for table in ["table", "held", "parked"]:
            boto3.client("dynamodb", **seed).create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        server = make_server(
            "127.0.0.1", 0, application, threaded=True, request_handler=Handler, ssl_context=(certificate, key)
        )
        print(server.server_port, flush=True)
        server.serve_forever()


def mcp():
    import socket

    import uvicorn
    from mcp.server import MCPServer

    things = MCPServer("things")

    @things.tool()
    def look_up(name: str) -> str:
        """Finds a thing."""
        return f"found {name}"

    def delete(name: str) -> str:
        """Deletes a thing."""
        return f"deleted {name}"

    for tool in ["delete_held", "delete_parked"]:
        things.tool(name=tool)(delete)

    inner = things.streamable_http_app(host="api.test")

    async def application(scope, receive, send):
        if scope["type"] != "http":
            return await inner(scope, receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        fields = [[n.decode(), v.decode()] for n, v in scope["headers"]]
        write(scope["method"], scope["path"], fields, body)
        sent = False

        async def again():
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await inner(scope, again, send)

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(application, ssl_certfile=certificate, ssl_keyfile=key, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


def grpc():
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    def note(call, context, body):
        write(call, "", sorted([k, repr(v)] for k, v in context.invocation_metadata()), body)

    def look(message, context):
        note("Look", context, message)
        context.set_trailing_metadata((("seen", "yes"),))
        return b"found " + message

    def watch(messages, context):
        for message in messages:
            note("Watch", context, message)
            yield message

    def delete(name):
        def answer(message, context):
            note(name, context, message)
            return b"deleted " + message

        return grpc.unary_unary_rpc_method_handler(answer)

    methods = {
        "Look": grpc.unary_unary_rpc_method_handler(look),
        "Watch": grpc.stream_stream_rpc_method_handler(watch),
        "DeleteHeld": delete("DeleteHeld"),
        "DeleteParked": delete("DeleteParked"),
    }
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("things.v1.Things", methods),))
    pair = (open(key, "rb").read(), open(certificate, "rb").read())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def websockets():
    from websockets.asyncio.server import serve

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def echo(socket):
        # What was opened is written as one call; messages follow it.
        request = socket.request
        write("GET", request.path, [[n.lower(), v] for n, v in request.headers.raw_items()], b"")
        if request.path.endswith("?greet"):
            return await socket.send("hello")
        async for message in socket:
            body = message.encode() if isinstance(message, str) else message
            write("message", request.path, [], body)
            await socket.send(message)

    async def main():
        async with serve(echo, "127.0.0.1", 0, ssl=context, close_timeout=1) as server:
            print(server.sockets[0].getsockname()[1], flush=True)
            await asyncio.Future()

    asyncio.run(main())


{"moto": moto, "mcp": mcp, "grpc": grpc, "websockets": websockets}[name]()
