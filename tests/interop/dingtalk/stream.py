"""The official Python Stream SDK against the simulated gateway: opening, events, robot messages,
replies, cards, acknowledgements, what is pushed again, heartbeats, announced and sudden ends."""

import asyncio
import json
import logging
import os
import threading
import time

from lib import Sim, app, check, done, equal, until

me = app("dingtalk")
os.environ["DINGTALK_OPENAPI_ENDPOINT"] = me["base_url"]
os.environ["NO_PROXY"] = "*"

import dingtalk_stream as ds  # noqa: E402 - reads the address when it is loaded

sim = Sim(me["base_url"])
logging.disable(logging.CRITICAL)
APP = sim.info()["apps"][0]["id"]
OPEN = "/v1.0/gateway/connections/open"


def client_with(secret):
    return ds.DingTalkStreamClient(ds.Credential(me["client_id"], secret))


def calls(path):
    return dict(sim.call("calls")).get(path, 0)


# Opening.
equal("a wrong secret opens nothing", client_with("wrong").open_connection(), None)
check("and that is a complaint", any("credentials" in c for c in sim.complaints()), sim.complaints())
equal("without a subscription nothing opens", client_with(me["client_secret"]).open_connection(), None)
before = len(sim.complaints())

events, messages, presses, pings = [], [], [], []
event_answer = [(ds.AckMessage.STATUS_OK, "OK")]
card_answer = [{}]


class Events(ds.EventHandler):
    async def process(self, event):
        events.append(event)
        answer = event_answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Robot(ds.ChatbotHandler):
    async def process(self, callback):
        message = ds.ChatbotMessage.from_dict(callback.data)
        messages.append((message, callback))
        text = (message.text.content or "").strip()
        if text == "摔倒":
            raise RuntimeError("the handler fails")
        if text == "你好":
            self.reply_text("收到", message)
            self.reply_markdown("标题", "**粗体**", message)
        return ds.AckMessage.STATUS_OK, "OK"


class Cards(ds.CallbackHandler):
    async def process(self, callback):
        presses.append((ds.CardCallbackMessage.from_dict(callback.data), callback))
        return ds.AckMessage.STATUS_OK, card_answer[0]


class System(ds.SystemHandler):
    async def process(self, message):
        pings.append(message)
        return ds.AckMessage.STATUS_OK, "OK"


client = client_with(me["client_secret"])
client.system_handler = System()
client.register_all_event_handler(Events())
client.register_callback_handler(ds.ChatbotMessage.TOPIC, Robot())
client.register_callback_handler(ds.CallbackHandler.TOPIC_CARD_CALLBACK, Cards())
threading.Thread(target=lambda: asyncio.run(client.start()), daemon=True).start()
check("the client connects", until(lambda: client.websocket is not None and sim.info()["links"] == {APP: 1}))
started = time.monotonic()

people = [p["id"] for p in sim.people() if p["active"]]
owner, friend, guest = people[:3]


def acted(label, wanted, **verb):
    """The verb's callbacks were all taken, and these events came, in this order."""
    start = len(events)
    done_ = sim.act(**verb)
    equal(f"{label}: acknowledged", (done_["callbacks_ok"], done_["callbacks_failed"]), (len(wanted), 0))
    found = [e.headers.event_type for e in events[start:]]
    equal(f"{label}: events", found, wanted)
    return done_, events[start:]


# Events, each as its page describes it.
made, (install,) = acted(
    "a group with the bot", ["im_cool_app_install"],
    do="create_chat", name="联调群", owner=owner, members=[owner, friend], apps=[APP],
)
chat = made["chat"]
equal("the robot's group", (install.data["openConversationId"], install.data["robotCode"]), (chat, me["robot_code"]))
equal("the company", install.headers.event_corp_id, me["corp_id"])
equal("the frame", (install.headers.topic, install.headers.content_type), ("*", "application/json"))
check("born now", abs(install.headers.event_born_time / 1000 - time.time()) < 60, install.headers.event_born_time)
_, (joined,) = acted("joining", ["chat_add_member"], do="join", person=guest, chat=chat, by=owner)
equal("who joined where, by whom", (joined.data["userId"], joined.data["openConversationId"], joined.data["operator"]),
      ([guest], chat, owner))
_, (left,) = acted("leaving", ["chat_quit"], do="leave", person=guest, chat=chat)
equal("who left", left.data["operator"], guest)
_, (renamed,) = acted("renaming", ["chat_update_title"], do="rename_chat", chat=chat, name="新名", by=owner)
equal("the new name", renamed.data["title"], "新名")
department = next(p["department"] for p in sim.people() if p["department"] != sim.people()[0]["department"])
_, (moved,) = acted("a transfer", ["user_modify_org"], do="transfer", person=owner, department=department)
equal("who moved", moved.data["userId"], [owner])
new = dict(sim.people()[0], id="u_interop", name="新人", active=True)
_, (hired,) = acted("a new colleague", ["user_add_org"], do="hire", person=new)
equal("who came", hired.data["userId"], ["u_interop"])
_, (gone,) = acted("a colleague who leaves", ["user_leave_org"], do="quit", person="u_interop")
equal("who went", gone.data["userId"], ["u_interop"])
ids = [e.headers.event_id for e in events]
equal("every event has its own id", len(set(ids)), len(ids))

# Robot messages and what the SDK says to them.
said = sim.act(do="say", person=owner, chat={"chat": chat}, text=f"<@bot> 你好")
equal("a message is acknowledged", (said["callbacks_ok"], said["callbacks_failed"]), (1, 0))
message, frame = messages[-1]
equal("the text", message.text.content.strip(), "你好")
equal("the group", (message.conversation_id, message.conversation_type, message.conversation_title), (chat, "2", "新名"))
equal("who wrote", (message.sender_staff_id, message.sender_corp_id), (owner, me["corp_id"]))
equal("to whom", (message.robot_code, message.is_in_at_list, message.chatbot_corp_id),
      (me["robot_code"], True, me["corp_id"]))
equal("its id", message.message_id, said["message"])
equal("the mention of the robot", [u.dingtalk_id for u in message.at_users], [message.chatbot_user_id])
equal("the topic", frame.headers.topic, ds.ChatbotMessage.TOPIC)
screen = [i for i in sim.screen(chat, owner) if i["bot"]]
check("the SDK's replies are shown", "收到" in json.dumps(screen, ensure_ascii=False)
      and "粗体" in json.dumps(screen, ensure_ascii=False), screen)
sim.act(do="say", person=owner, chat={"chat": chat}, text=f"<@bot> 问 <@{friend}>")
check("somebody else is mentioned by user id", friend in [u.staff_id for u in messages[-1][0].at_users])
said = sim.act(do="say", person=friend, chat={"direct_with": APP}, text="私聊")
message = messages[-1][0]
equal("a private message", (message.conversation_type, message.sender_staff_id, message.text.content),
      ("1", friend, "私聊"))
private = message
quoted = sim.act(do="say", person=friend, chat={"direct_with": APP}, text="引用", reply_to=said["message"])
equal("a quoting message", (quoted["callbacks_ok"], messages[-1][0].text.content), (1, "引用"))
seen = len(messages)
sim.act(do="say", person=owner, chat={"chat": chat}, text="没有 @ 机器人")
equal("what is not for the robot does not come", len(messages), seen)

# Cards by the SDK's own sender, in both kinds of chat; presses come over the connection.
data = {"title": "投票", "button1": "赞成", "action1": "yes"}


def card(to, viewer):
    replier = ds.CardReplier(client, to)
    track = replier.create_and_send_card(me["card_template_id"], data, at_sender=True)
    check("a card is created and delivered", track != "", sim.complaints()[-2:])
    place = next(c["id"] for c in sim.chats() if c["id"] == to.conversation_id)
    return replier, track, place, [i for i in sim.screen(place, viewer) if i["bot"]][-1]["id"]


for kind, to, who in [("group", messages[0][0], owner), ("private", private, friend)]:
    replier, track, place, shown = card(to, who)
    card_answer[0] = {"cardUpdateOptions": {"updatePrivateDataByKey": True},
                      "userPrivateData": {"cardParamMap": {"title": f"你投了票 {kind}"}}}
    done_ = sim.act(do="click", person=who, message=shown, action="yes")
    equal(f"{kind}: the press is acknowledged", (done_["callbacks_ok"], done_["callbacks_failed"]), (1, 0))
    press, raw = presses[-1]
    equal(f"{kind}: who pressed what", (press.user_id, press.card_instance_id, press.corp_id),
          (who, track, me["corp_id"]))
    equal(f"{kind}: the third level of JSON", press.content["cardPrivateData"]["params"], {"action": "yes"})
    check(f"{kind}: the answer changes the view of the one who pressed",
          f"你投了票 {kind}" in json.dumps(sim.screen(place, who), ensure_ascii=False))
    if kind == "group":
        check("and nobody else's", "你投了票" not in json.dumps(sim.screen(place, friend), ensure_ascii=False))
    replier.put_card_data(track, {**data, "button1": f"改投 {kind}"})
    check(f"{kind}: the SDK changes the card", f"改投 {kind}" in json.dumps(sim.screen(place, who), ensure_ascii=False))
check("a press has its place", presses[0][1].data["spaceId"] == chat and presses[0][1].data["spaceType"] == "im")

# Not taken: pushed again, under the same id and another name.
event_answer[0] = (ds.AckMessage.STATUS_SYSTEM_EXCEPTION, "later")
done_ = sim.act(do="rename_chat", chat=chat, name="稍后", by=owner)
equal("code 500 is not taken", (done_["callbacks_ok"], done_["callbacks_failed"]), (0, 1))
refused = events[-1]
event_answer[0] = RuntimeError("the handler fails")
begin = time.monotonic()
done_ = sim.act(do="rename_chat", chat=chat, name="无答复", by=owner)
equal("no acknowledgement is not taken", (done_["callbacks_ok"], done_["callbacks_failed"]), (0, 1))
check("after the deadline", 2.5 < time.monotonic() - begin < 10, time.monotonic() - begin)
silent = events[-1]
done_ = sim.act(do="say", person=owner, chat={"chat": chat}, text="<@bot> 摔倒")
equal("nor is a message whose handler fails", (done_["callbacks_ok"], done_["callbacks_failed"]), (0, 1))
event_answer[0] = (ds.AckMessage.STATUS_OK, "OK")
for name, lost in [("code 500", refused), ("silence", silent)]:
    again = until(lambda: [e for e in events if e.headers.event_id == lost.headers.event_id and e is not lost], 25)
    check(f"{name}: the event comes again", again)
    if again:
        check(f"{name}: with a new messageId", again[0].headers.message_id != lost.headers.message_id)
        equal(f"{name}: and the same content", (again[0].data, again[0].headers.event_born_time),
              (lost.data, lost.headers.event_born_time))
check("the message comes again",
      until(lambda: len([1 for m, _ in messages if m.message_id == done_["message"]]) >= 2, 25))

# Heartbeats.
check("the gateway sends heartbeats", until(lambda: [p for p in pings if p.headers.topic == "ping"],
                                            max(1.0, 30 - (time.monotonic() - started))))

# An announced end: the client closes and opens the next connection.
opened = calls(OPEN)
sim.fault(times=1, kind={"kind": "announce_link"})
check("the end is announced", until(lambda: [p for p in pings if p.headers.topic == "disconnect"]))
equal("with its reason", pings[-1].data, {"reason": "persistent connection is timeout"})
check("a new connection is opened", until(lambda: calls(OPEN) == opened + 1 and sim.info()["links"] == {APP: 1}))
_, (renamed,) = acted("after the announced end", ["chat_update_title"], do="rename_chat", chat=chat, name="又来", by=owner)

# A sudden one: this SDK waits ten seconds.
sim.fault(times=1, kind={"kind": "drop_link"})
check("a dropped connection comes back",
      until(lambda: calls(OPEN) == opened + 2 and sim.info()["links"] == {APP: 1}, 25))
said = sim.act(do="say", person=owner, chat={"chat": chat}, text="<@bot> 回来了")
equal("after the sudden end", (said["callbacks_ok"], messages[-1][0].text.content.strip()), (1, "回来了"))

equal("nothing the platform would have refused", sim.complaints()[before:], [])
done()
