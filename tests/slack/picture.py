"""Draws blocks as a page that looks about like Slack, for the pictures of docs/slack.md. An illustration: Slack draws
its messages itself. Takes snapshots of blocks (`src/notify/slack/card/snapshots/*.snap`), prints HTML."""

import datetime
import html
import json
import sys

STYLE = """
body { margin: 0; background: #fff; font: 15px/1.46 Lato, "Helvetica Neue", Arial, sans-serif; color: #1d1c1d; width: 760px }
.post { display: flex; padding: 14px 20px; gap: 10px } .face { width: 36px; height: 36px; border-radius: 6px; background: #1f2933; color: #fff; font-weight: 900; text-align: center; line-height: 36px }
.name { font-weight: 900 } .app { background: #e8e8e8; color: #616061; font-size: 10px; font-weight: 700; padding: 1px 3px; border-radius: 2px; margin: 0 6px; vertical-align: 2px } .at { color: #616061; font-size: 12px }
.body { flex: 1 } h2 { font-size: 18px; margin: 6px 0 8px } p { margin: 0 } code { border: 1px solid #ddd; background: #f8f8f8; border-radius: 3px; padding: 1px 3px; font-size: 12px; color: #c01343 }
pre { border: 1px solid #ddd; background: #f8f8f8; border-radius: 4px; padding: 8px; margin: 8px 0; font-size: 12px; white-space: pre-wrap; overflow-wrap: anywhere } blockquote { border-left: 4px solid #ddd; margin: 4px 0; padding-left: 12px }
.small { color: #616061; font-size: 13px; margin: 6px 0 } .row { display: flex; gap: 8px; margin: 8px 0 } hr { border: 0; border-top: 1px solid #ddd; margin: 12px 0 }
.b { border: 1px solid #bbb; border-radius: 4px; padding: 0 12px; line-height: 36px; font-weight: 900; font-size: 15px } .primary { background: #007a5a; border-color: #007a5a; color: #fff } .danger { background: #e01e5a; border-color: #e01e5a; color: #fff } a { color: #1264a3 }
"""


def part(element):
    if element["type"] == "date":
        at = datetime.datetime.fromtimestamp(element["timestamp"], datetime.timezone.utc)
        return at.strftime("%b %-d, %Y at %H:%M")
    text = html.escape(element["text"])
    if element["type"] == "link":
        return f"<a>{text}</a>"
    style = element.get("style", {})
    text = f"<code>{text}</code>" if style.get("code") else text
    return f"<b>{text}</b>" if style.get("bold") else text


def rich(section):
    tag = {"rich_text_section": "p", "rich_text_quote": "blockquote", "rich_text_preformatted": "pre"}[section["type"]]
    return f"<{tag}>{''.join(map(part, section['elements']))}</{tag}>"


def block(found):
    kind = found["type"]
    if kind == "header":
        return f"<h2>{html.escape(found['text']['text'])}</h2>"
    if kind == "divider":
        return "<hr>"
    if kind == "rich_text":
        return "".join(map(rich, found["elements"]))
    if kind == "context":
        return "<p class=small>" + "<br>".join(html.escape(e["text"]) for e in found["elements"]) + "</p>"
    buttons = (f"<span class='b {b.get('style', '')}'>{html.escape(b['text']['text'])}</span>" for b in found["elements"])
    return f"<div class=row>{''.join(buttons)}</div>"


print(f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>")
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        blocks = json.loads(file.read().split("---\n", 2)[2])
    print("<div class=post><div class=face>H</div><div class=body><span class=name>Holdpoint</span><span class=app>APP</span><span class=at>10:42</span>")
    print("".join(map(block, blocks)), "</div></div>")
