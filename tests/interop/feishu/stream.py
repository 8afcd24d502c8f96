"""The official Python SDK's WebSocket client on the simulated Feishu's long connection: discovery,
whole and split events, cards, acknowledgements, repeats, reconnecting."""

import json
import threading
import uuid

import lark_oapi as lark
from lark_oapi.api.im.v1 import *
from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse
from lark_oapi.ws.exception import ClientException

from lib import Sim, app, check, done, equal, until

me = app("feishu")
sim = Sim(me["base_url"])
heard = []
fail_next = []


def hear(data):
    heard.append(data)
    if fail_next:
        fail_next.pop()
        raise RuntimeError("this handler fails on purpose")


def click(data):
    heard.append(data)
    return P2CardActionTriggerResponse({"toast": {"type": "success", "content": "经长连接收到"}})


handler = (
    # Nothing is encrypted here and no token is compared.
    lark.EventDispatcherHandler.builder("", "", lark.LogLevel.CRITICAL)
    .register_p2_im_message_receive_v1(hear)
    .register_p2_card_action_trigger(click)
    .build()
)


def client(secret):
    return lark.ws.Client(
        me["app_id"], secret, event_handler=handler, domain=me["base_url"], log_level=lark.LogLevel.CRITICAL
    )


# A refusal is understood as final.
try:
    client("wrong").start()
    check("a wrong secret", False, "it started")
except ClientException as error:
    equal("a wrong secret", error.code, 514)


def connections():
    return next(a["connections"] for a in sim.call("stream") if a["app"] == me["app_id"])


sim.call("stream", {"app": me["app_id"], "ping_interval": 1})


def opened():
    return dict(sim.call("calls")).get("GET /ws/v2", 0)


def comes_back_after(kind):
    before = opened()
    sim.fault(path=me["app_id"], times=1, kind={"kind": kind})
    return until(lambda: opened() > before and connections() == 1, 20)


running = client(me["app_secret"])
threading.Thread(target=running.start, daemon=True).start()
check("it connects", until(lambda: connections() == 1))
equal("it takes the settings of the address", (running._reconnect_interval, running._ping_interval), (2, 1))
# Each ping is answered with the settings of that moment.
sim.call("stream", {"app": me["app_id"], "ping_interval": 3})
check("a pong brings the newest settings", until(lambda: running._ping_interval == 3, 5), running._ping_interval)
check("cut without a word, it is back", comes_back_after("drop_link"))
check("nothing was said yet", heard == [])

people = [p for p in sim.people() if p["active"]]
one, two = people[:2]
# The handlers do not know the events of groups: those answers are 500, so use what is there.
chat = next(c for c in sim.chats() if c["group"] and me["app_id"] in c["apps"] and len(c["members"]) > 1)
one, two = [next(p for p in people if p["id"] == m) for m in chat["members"][:2]]
chat = chat["id"]


def say(text):
    heard.clear()
    return sim.act(do="say", person=one["id"], chat={"chat": chat}, text=text)


def texts():
    return [json.loads(e.event.message.content)["text"] for e in heard]


def taken(did):
    return did["callbacks_ok"], did["callbacks_failed"]


did = say("经长连接")
equal("an event is acknowledged", taken(did), (1, 0))
equal("its text", texts(), ["经长连接"])
equal("its ids", (heard[0].header.app_id, heard[0].event.message.message_id), (me["app_id"], did["message"]))
equal("its token is empty, as the platform leaves it", heard[0].header.token, "")
for size in (2000, 300, 77):
    sim.call("stream", {"app": me["app_id"], "part_bytes": size})
    text = f"{size}：" + "胡同里的猫🐈" * 60
    equal(f"split at {size} bytes: acknowledged once", taken(say(text)), (1, 0))
    equal(f"split at {size} bytes: joined", texts(), [text])

# A card.
rest = lark.Client.builder().app_id(me["app_id"]).app_secret(me["app_secret"]).domain(me["base_url"]).log_level(lark.LogLevel.CRITICAL).build()
card = {
    "schema": "2.0",
    "body": {
        "elements": [
            {
                "tag": "button", "element_id": "ack", "text": {"tag": "plain_text", "content": "知道了"},
                "behaviors": [{"type": "callback", "value": {"act": "ack"}}],
            }
        ]
    },
}
body = {"receive_id": chat, "msg_type": "interactive", "content": json.dumps(card), "uuid": uuid.uuid4().hex}
sent = rest.im.v1.message.create(
    CreateMessageRequest.builder().receive_id_type("chat_id").request_body(CreateMessageRequestBody(body)).build()
)
message = sent.data.message_id


def parts(part):
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for value in part:
            yield from parts(value)


def item():
    return next(i for i in sim.screen(chat, two["id"]) if i["id"] == message)


action = next(p["action"] for p in parts(item()["parts"]) if "action" in p)


def press():
    heard.clear()
    return sim.act(do="click", person=two["id"], message=message, action=action)


equal("a click is answered", taken(press()), (1, 0))
equal("what was pressed", (heard[0].event.action.value, heard[0].event.context.open_message_id), ({"act": "ack"}, message))
check("the person sees the SDK's toast", "经长连接收到" in json.dumps(item(), ensure_ascii=False))
# The SDK drops frames of type `card` without a word (feishu.md 3.5): the person sees a failure.
sim.call("stream", {"app": me["app_id"], "card_frames": True})
equal("a click in a card frame gets no answer from this SDK", (taken(press()), heard), ((0, 1), []))
check("and the person sees why", "200341" in json.dumps(item(), ensure_ascii=False))
sim.call("stream", {"app": me["app_id"], "card_frames": False, "part_bytes": 40})
equal("a split click is answered", taken(press()), (1, 0))

# No handler: the SDK answers 500.
heard.clear()
did = sim.act(do="react", person=two["id"], message=message, emoji="THUMBSUP")
equal("an event without a handler is not taken", taken(did), (0, 1))
# A handler that fails: 500, and the same event comes again after 15 s.
fail_next.append(True)
did = say("第一次会失败")
equal("a failing handler", taken(did), (0, 1))
check("is called again", until(lambda: len(heard) == 2, 25))
equal("with the same event", (texts(), len({e.header.event_id for e in heard})), (["第一次会失败"] * 2, 1))

# The platform closes in good order; the client comes back.
check("closed, it is back", comes_back_after("announce_link"))
equal("and hears", (taken(say("回来了")), texts()), ((1, 0), ["回来了"]))

meant = ("POST /callback/ws/endpoint: 514", "card.action.trigger: 200341")
equal("no other complaint", [c for c in sim.complaints() if not c.startswith(meant)], [])
done()
