"""Slack's own Python SDK against the fake, and its models of blocks against our cards."""

import json
import os
import sys
import threading

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse

given = json.load(sys.stdin)
web = WebClient(token=os.environ["BOT_TOKEN"], base_url=os.environ["SLACK_API"])


def parts(node):
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for value in node if isinstance(node, list) else []:
        yield from parts(value)


def refused(call, word):
    try:
        call()
    except SlackApiError as error:
        assert error.response["error"] == word, error
    else:
        raise AssertionError(f"not refused: {word}")


# Blocks: parsed by Slack's models, validated by them, and nothing lost on the way.
for blocks in given["cards"]:
    parsed = Block.parse_all(blocks)
    assert len(parsed) == len(blocks)
    for ours, model in zip(blocks, parsed):
        model.validate_json()
        again = json.loads(json.dumps(model.to_dict()))
        assert again["type"] == ours["type"], ours
        lost = [part for part in parts(ours) if part.get("type") == "text" and part["text"] not in json.dumps(again, ensure_ascii=False) and json.dumps(part["text"])[1:-1] not in json.dumps(again)]
        assert not lost, lost
view = View(**{key: value for key, value in given["modal"].items()})
view.validate_json()

# Signatures.
verifier = SignatureVerifier(os.environ["SIGNING_SECRET"])
verifier.clock = type("Then", (Clock,), {"now": lambda self: float(given["timestamp"])})()
assert verifier.is_valid(given["body"], given["timestamp"], given["signature"])
assert not verifier.is_valid(given["body"] + "x", given["timestamp"], given["signature"])

# The Web API.
me = web.auth_test()
assert me["team_id"] == "T0TEST"
posted = web.chat_postMessage(channel="C0SEC", text="hello", blocks=given["cards"][0])
web.chat_update(channel="C0SEC", ts=posted["ts"], text="hello again", blocks=given["cards"][0])
web.chat_postEphemeral(channel="C0SEC", user="UALICE", text="psst")
direct = web.conversations_open(users="UALICE")["channel"]["id"]
web.chat_postMessage(channel=direct, text="psst")
assert web.users_info(user="UALICE")["user"]["id"] == "UALICE"
assert web.conversations_info(channel="C0SEC")["channel"]["is_member"]
refused(lambda: web.users_info(user="UNOBODY"), "user_not_found")
refused(lambda: web.chat_update(channel="C0SEC", ts="1.1", text="x"), "message_not_found")
refused(lambda: web.chat_postMessage(channel="C0SEC", text="x", blocks=[{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]), "invalid_blocks")
refused(lambda: web.views_open(trigger_id="1.2", view=given["modal"]), "expired_trigger_id")
refused(lambda: WebClient(token="xoxb-no", base_url=os.environ["SLACK_API"]).auth_test(), "invalid_auth")

# Socket Mode.
heard = threading.Event()


def listen(client, request):
    assert request.type == "interactive" and request.payload["actions"][0]["value"] == "hpb_1"
    client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
    heard.set()


sockets = SocketModeClient(app_token=os.environ["APP_TOKEN"], web_client=web)
sockets.socket_mode_request_listeners.append(listen)
sockets.connect()
assert heard.wait(30), "nothing was heard"
print("all good", flush=True)
os._exit(0)
