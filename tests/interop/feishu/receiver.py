"""What the simulated Feishu pushes over HTTP, received by the official Python SDK: the address check,
every kind of event that people cause, card clicks, and callbacks that somebody has tampered with."""

import base64
import json
import uuid

import lark_oapi as lark
from lark_oapi.api.im.v1 import *
from lark_oapi.core.model import RawRequest
from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse

from lib import Receiver, Sim, app, check, done, equal, until

me = app("feishu")
sim = Sim(me["base_url"])
heard = []


def hear(data):
    heard.append(data)


def click(data):
    heard.append(data)
    return P2CardActionTriggerResponse({"toast": {"type": "success", "content": "收到了"}})


def dispatcher(encrypt_key, token):
    b = lark.EventDispatcherHandler.builder(encrypt_key, token, lark.LogLevel.CRITICAL)
    for name in (
        "im_message_receive_v1 im_message_reaction_created_v1 im_message_reaction_deleted_v1 "
        "im_message_message_read_v1 im_message_recalled_v1 im_chat_member_user_added_v1 "
        "im_chat_member_user_deleted_v1 im_chat_member_bot_added_v1 im_chat_member_bot_deleted_v1 "
        "im_chat_updated_v1 im_chat_disbanded_v1 im_chat_access_event_bot_p2p_chat_entered_v1 "
        "contact_user_created_v3 contact_user_updated_v3 contact_user_deleted_v3"
    ).split():
        b = getattr(b, f"register_p2_{name}")(hear)
    return b.register_p2_card_action_trigger(click).build()


handler = dispatcher(me["encrypt_key"], me["verification_token"])


def raw(path, headers, body):
    request = RawRequest()
    request.uri, request.headers, request.body = path, headers, body
    return request


def answer(_method, path, headers, body):
    out = handler.do(raw(path, dict(headers.items()), body))
    return out.status_code, "application/json", out.content


receiver = Receiver(answer)

# The address check: encrypted, without signature; the platform compares the challenge.
try:
    sim.subscribe(me["app_id"], receiver.url + "/feishu")
    check("address check", True)
except RuntimeError as error:
    check("address check", False, error)
_, _, headers, body = receiver.seen[0]
equal("it is encrypted and nothing else", list(json.loads(body)), ["encrypt"])
check("it carries no signature", not any(n.lower().startswith("x-lark") for n in headers), headers)

people = [p for p in sim.people() if p["active"]]
one, two, three = people[:3]


def act(name, kind, /, **verb):
    """Does something and returns the single event that must come of it."""
    heard.clear()
    did = sim.act(**verb)
    fitting = [e for e in heard if e.header.event_type == kind]
    check(f"{name}: accepted", did["callbacks_failed"] == 0 and did["callbacks_ok"] >= 1, did)
    equal(f"{name}: one {kind}", len(fitting), 1)
    event = fitting[0]
    check(
        f"{name}: header",
        event.schema == "2.0"
        and event.header.app_id == me["app_id"]
        and event.header.token == me["verification_token"]
        and len(event.header.event_id) == 32
        and event.header.create_time.isdigit(),
        lark.JSON.marshal(event.header),
    )
    return event.event, did


# Groups and members.
data, did = act(
    "group with the bot", "im.chat.member.bot.added_v1",
    do="create_chat", name="互通", owner=one["id"], members=[two["id"]], apps=[me["app_id"]],
)
chat = did["chat"]
equal("group: id and name", (data.chat_id, data.name), (chat, "互通"))
data, _ = act("join", "im.chat.member.user.added_v1", do="join", person=three["id"], chat=chat, by=one["id"])
equal("join: who and by whom", (data.users[0].user_id.user_id, data.operator_id.user_id), (three["id"], one["id"]))
data, _ = act("leave", "im.chat.member.user.deleted_v1", do="leave", person=three["id"], chat=chat)
equal("leave: who", data.users[0].user_id.user_id, three["id"])
data, _ = act("rename", "im.chat.updated_v1", do="rename_chat", chat=chat, name="互通二", by=one["id"])
equal("rename: after and before", (data.after_change.name, data.before_change.name), ("互通二", "互通"))

# Messages.
text = f"<@bot> 感谢 <@{two['id']}> \\ \" 🎉\n第二行"
data, said = act(
    "message", "im.message.receive_v1", do="say", person=one["id"], chat={"chat": chat}, text=text
)
message = data.message
equal("message: ids", (message.message_id, message.chat_id, message.chat_type), (said["message"], chat, "group"))
equal("message: sender", (data.sender.sender_id.user_id, data.sender.sender_type), (one["id"], "user"))
content = json.loads(message.content)["text"]
for mention in message.mentions:
    content = content.replace(mention.key, f"({mention.name})")
equal("message: text", content, f"(胡同) 感谢 ({two['name']}) \\ \" 🎉\n第二行")
equal("message: mentioned", [m.id.user_id for m in message.mentions], ["", two["id"]])
data, _ = act(
    "answer", "im.message.receive_v1",
    do="say", person=two["id"], chat={"chat": chat}, text="好", reply_to=said["message"],
)
equal("answer: to what", (data.message.parent_id, data.message.root_id), (said["message"],) * 2)
data, private = act(
    "private message", "im.message.receive_v1",
    do="say", person=two["id"], chat={"direct_with": me["app_id"]}, text="/帮助",
)
equal("private message: kind of chat", data.message.chat_type, "p2p")
data, _ = act("reaction", "im.message.reaction.created_v1", do="react", person=two["id"], message=said["message"], emoji="THUMBSUP")
equal(
    "reaction: what and whose",
    (data.message_id, data.reaction_type.emoji_type, data.user_id.user_id, data.operator_type),
    (said["message"], "THUMBSUP", two["id"], "user"),
)
data, _ = act("reaction taken back", "im.message.reaction.deleted_v1", do="react", person=two["id"], message=said["message"], emoji="THUMBSUP", on=False)
equal("reaction taken back: which", data.reaction_type.emoji_type, "THUMBSUP")
data, _ = act("recall", "im.message.recalled_v1", do="recall", person=one["id"], message=said["message"])
equal("recall: which", (data.message_id, data.recall_type), (said["message"], "message_owner"))

# A card, its clicks and its readers.
client = lark.Client.builder().app_id(me["app_id"]).app_secret(me["app_secret"]).domain(me["base_url"]).log_level(lark.LogLevel.CRITICAL).build()


def send(to, kind, content):
    body = CreateMessageRequestBody(
        {"receive_id": to, "msg_type": kind, "content": json.dumps(content), "uuid": uuid.uuid4().hex}
    )
    sent = client.im.v1.message.create(CreateMessageRequest.builder().receive_id_type("chat_id").request_body(body).build())
    return sent.data.message_id


button = {
    "tag": "button", "element_id": "ack", "type": "primary",
    "text": {"tag": "plain_text", "content": "知道了"},
    "behaviors": [{"type": "callback", "value": {"act": "ack", "id": "42"}}],
}
form = {
    "tag": "form", "name": "f",
    "elements": [
        {"tag": "input", "name": "why", "placeholder": {"tag": "plain_text", "content": "原因"}},
        {
            "tag": "button", "name": "send", "form_action_type": "submit",
            "text": {"tag": "plain_text", "content": "提交"},
            "behaviors": [{"type": "callback", "value": {"act": "form"}}],
        },
    ],
}
card = {"schema": "2.0", "config": {"update_multi": True}, "body": {"elements": [button, form]}}
shown = send(chat, "interactive", card)


def parts(part):
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from parts(value)
    elif isinstance(part, list):
        for value in part:
            yield from parts(value)


def on_screen():
    return next(i for i in sim.screen(chat, two["id"]) if i["id"] == shown)


actions = [p["action"] for p in parts(on_screen()["parts"]) if "action" in p]
equal("the card shows two buttons", len(actions), 2)
data, _ = act("click", "card.action.trigger", do="click", person=two["id"], message=shown, action=actions[0])
equal("click: value, place and person",
      (data.action.value, data.context.open_message_id, data.context.open_chat_id, data.operator.user_id),
      ({"act": "ack", "id": "42"}, shown, chat, two["id"]))
check("click: times of callbacks are microseconds", len(heard[-1].header.create_time) == 16, heard[-1].header.create_time)
check("click: the person sees the SDK's answer", "收到了" in json.dumps(on_screen(), ensure_ascii=False))
data, _ = act("form", "card.action.trigger", do="click", person=two["id"], message=shown, action=actions[1], values={"why": ["写得很清楚"]})
equal("form: values", (data.action.form_value, data.action.name), ({"why": "写得很清楚"}, "send"))
direct = send(private["chat"], "text", {"text": "在"})
data, _ = act("read", "im.message.message_read_v1", do="read", person=two["id"], message=direct)
equal("read: what and who", (data.message_id_list, data.reader.reader_id.user_id), ([direct], two["id"]))
data, _ = act("private chat opened", "im.chat.access_event.bot_p2p_chat_entered_v1", do="open_direct", person=two["id"], app=me["app_id"])
equal("private chat opened: which", (data.chat_id, data.operator_id.user_id), (private["chat"], two["id"]))

# People.
new = dict(three, id="u_interop", name="新同事", employee_no="E9001", email="new@hutong.example", mobile="+8613099999999")
data, _ = act("hired", "contact.user.created_v3", do="hire", person=new)
equal("hired: who", (data.object.user_id, data.object.name), ("u_interop", "新同事"))
data, _ = act("transferred", "contact.user.updated_v3", do="transfer", person="u_interop", department=one["department"])
check("transferred: old departments", bool(data.old_object.department_ids), lark.JSON.marshal(data.old_object))
data, _ = act("left the company", "contact.user.deleted_v3", do="quit", person="u_interop")
equal("left the company: who", data.object.user_id, "u_interop")

# Repeats carry the same event id, sealed anew.
sim.act(do="say", person=one["id"], chat={"chat": chat}, text="再说一次")
first, body = heard[-1].header.event_id, receiver.seen[-1][3]
sim.act(do="repeat_callbacks", count=1)
equal("a repeat has the same event id", heard[-1].header.event_id, first)
check("and another ciphertext", receiver.seen[-1][3] != body)
before = len(receiver.seen)
sim.fault(callbacks=True, times=1, kind={"kind": "duplicate", "times": 3})
sim.act(do="say", person=one["id"], chat={"chat": chat}, text="三遍")
equal("a duplicate comes three times", (len(receiver.seen) - before, len({e.header.event_id for e in heard[-3:]})), (3, 1))

# Tampered with: the SDK that took the original takes none of these.
_, path, headers, body = receiver.seen[-1]
heard.clear()
equal("the original is taken", (handler.do(raw(path, headers, body)).status_code, len(heard)), (200, 1))


def tampered(name, headers=headers, body=body, handler=handler):
    heard.clear()
    out = handler.do(raw(path, headers, body))
    check(f"refused: {name}", out.status_code != 200 and not heard, out.status_code)


flipped = bytearray(base64.b64decode(json.loads(body)["encrypt"]))
flipped[0] ^= 1
tampered("one bit of the vector", body=json.dumps({"encrypt": base64.b64encode(flipped).decode()}, separators=(",", ":")).encode())
tampered("a space", body=body + b" ")
signature = next(n for n in headers if n.lower() == "x-lark-signature")
for name, value in (("signature", "0" * 64), ("timestamp", "1"), ("nonce", "x")):
    which = next(n for n in headers if n.lower().endswith(name))
    tampered(f"another {name}", headers={**headers, which: value})
tampered("no signature", headers={n: v for n, v in headers.items() if n != signature})
tampered("another key", handler=dispatcher("another-key", me["verification_token"]))
tampered("another token", handler=dispatcher(me["encrypt_key"], "another-token"))

# What the platform does when the receiver fails: counted as failed, repeated after 15 s.
working, failures = handler.do, []


def failing(request):
    out = working(request)
    if len(failures) < 1:
        failures.append(out)
        out.status_code = 500
    return out


handler.do = failing
heard.clear()
did = sim.act(do="say", person=one["id"], chat={"chat": chat}, text="第一次没收好")
equal("a failing receiver", (did["callbacks_ok"], did["callbacks_failed"]), (0, 1))
check("is called again", until(lambda: len(heard) == 2, 25))
equal("with the same event", len({e.header.event_id for e in heard}), 1)

data, _ = act("disbanded", "im.chat.disbanded_v1", do="disband", chat=chat, by=one["id"])
equal("disbanded: which", data.chat_id, chat)
other = sim.act(do="create_chat", name="另一个", owner=one["id"], members=[two["id"]], apps=[me["app_id"]])["chat"]
data, _ = act("bot removed", "im.chat.member.bot.deleted_v1", do="remove_bot", chat=other, app=me["app_id"], by=one["id"])
equal("bot removed: from where", data.chat_id, other)
equal("no complaint", sim.complaints(), [])
done()
