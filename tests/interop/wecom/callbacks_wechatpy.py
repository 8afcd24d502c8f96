"""PyPI wechatpy as a receiver: the address check, our XML pushes, replies, and what must be refused."""

import time
import urllib.parse

import xmltodict
from wechatpy.enterprise import WeChatClient, parse_message
from wechatpy.enterprise.crypto import WeChatCrypto
from wechatpy.enterprise.exceptions import InvalidCorpIdException
from wechatpy.exceptions import InvalidSignatureException

from lib import Receiver, Sim, app, check, done, equal, until

CONFIG = app("wecom")
BASE = CONFIG["base_url"].rstrip("/")
sim = Sim(BASE)
app_id = next(a["id"] for a in sim.info()["apps"] if a["kind"] == "wecom")
crypto = WeChatCrypto(CONFIG["token"], CONFIG["aes_key"], CONFIG["corp_id"])
one = sim.people()[0]["id"]

heard = []
requests = []
say = None
wrong_echo = False


def answer(method, path, headers, body):
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
    signed = (query["msg_signature"], query["timestamp"], query["nonce"])
    if method == "GET":
        echo = crypto.check_signature(*signed, query["echostr"])
        return 200, "text/plain", b"0" if wrong_echo else str(echo).encode()
    requests.append((signed, body))
    plain = crypto.decrypt_message(body, *signed)
    heard.append(parse_message(plain))
    if not say:
        return 200, "text/plain", b""
    return 200, "text/xml", crypto.encrypt_message(say, query["nonce"], query["timestamp"]).encode()


receiver = Receiver(answer)
wrong_echo = True
try:
    sim.subscribe(app_id, f"{receiver.url}/hook")
    check("a wrong answer to the address check is refused", False)
except RuntimeError as error:
    check("a wrong answer to the address check is refused", "502" in str(error), error)
wrong_echo = False
sim.subscribe(app_id, f"{receiver.url}/hook")
check("the address check is answered with the library", True)


def act(**verb):
    """Does it; the message that the app heard of it."""
    heard.clear()
    result = sim.act(**verb)
    equal(f"{verb['do']}: the callback was accepted", (result["callbacks_ok"], result["callbacks_failed"]), (1, 0))
    return heard[-1]


message = act(do="say", person=one, chat={"direct_with": app_id}, text="/积分 ]]> <b>&amp;")
equal("a text message", (message.type, message.content), ("text", "/积分 ]]> <b>&amp;"))
equal("from the person", message.source, one)
equal("to the corp and the agent", (message.target, message.agent), (CONFIG["corp_id"], CONFIG["agent_id"]))
check("with an id and a time", int(message.id) > 0 and abs(message.create_time.timestamp() - time.time()) < 86_400 * 2)

event = act(do="open_direct", person=one, app=app_id)
equal("an event", (event.type, event.event), ("event", "enter_agent"))

newcomer = dict(sim.people()[0], id="interop_new", name="新人")
event = act(do="hire", person=newcomer)
equal("somebody comes into the visible range", (event.event, event.source), ("subscribe", "interop_new"))
event = act(do="quit", person="interop_new")
equal("and leaves it", (event.event, event.source), ("unsubscribe", "interop_new"))


class Local(WeChatClient):
    API_BASE_URL = f"{BASE}/cgi-bin/"

    def fetch_access_token(self):
        return self._fetch_access_token(
            url=f"{self.API_BASE_URL}gettoken",
            params={"corpid": self.corp_id, "corpsecret": self.secret},
        )


wecom = Local(CONFIG["corp_id"], CONFIG["secret"])
wecom._http.trust_env = False


def card(kind, task, **parts):
    body = {"card_type": kind, "main_title": {"title": "投票"}, "task_id": task, **parts}
    return {"msgtype": "template_card", "template_card": body}


def screen():
    chat = next(c for c in sim.chats() if c["person"] == one and c["apps"] == [app_id])
    return sim.screen(chat["id"], one)


# Cards: the library knows no class for their event, but hands the elements on.
sent = wecom.message.send(
    CONFIG["agent_id"],
    one,
    msg=card("button_interaction", "t-1", button_list=[{"text": "去", "style": 1, "key": "go"}]),
)
check("a card is sent with a code for one update", sent["response_code"])
event = act(do="click", person=one, message=screen()[-1]["id"], action="go")
data = event._data
equal("a click", (data["Event"], data["EventKey"], data["TaskId"]), ("template_card_event", "go", "t-1"))
updated = {
    "userids": [one],
    "agentid": CONFIG["agent_id"],
    "response_code": data["ResponseCode"],
    "button": {"replace_name": "已去"},
}
equal("its code updates the card", wecom.post("message/update_template_card", data=updated)["errcode"], 0)
check("as everybody sees", any(p.get("text") == "已去" for p in screen()[-1]["parts"]))
try:
    wecom.post("message/update_template_card", data=updated)
    check("and works once", False)
except Exception as error:
    equal("and works once", getattr(error, "errcode", error), 60140)
wecom.message.send(
    CONFIG["agent_id"],
    one,
    msg=card(
        "vote_interaction",
        "t-2",
        checkbox={
            "question_key": "q",
            "mode": 1,
            "option_list": [{"id": "a", "text": "甲"}, {"id": "b", "text": "乙"}],
        },
        submit_button={"text": "提交", "key": "submit"},
    ),
)
event = act(do="click", person=one, message=screen()[-1]["id"], action="submit", values={"q": ["a", "b"]})
chosen = event._data["SelectedItems"]["SelectedItem"]
equal(
    "what was chosen",
    (chosen["QuestionKey"], chosen["OptionIds"]["OptionId"]),
    ("q", ["a", "b"]),
)

# Passive replies, sealed by the library.
say = xmltodict.unparse(
    {
        "xml": {
            "ToUserName": one,
            "FromUserName": CONFIG["corp_id"],
            "CreateTime": int(time.time()),
            "MsgType": "text",
            "Content": "收到：5 分",
        }
    },
    full_document=False,
)
act(do="say", person=one, chat={"direct_with": app_id}, text="/积分")
shown = until(lambda: screen()[-1]["bot"] and screen()[-1])
check("a passive reply is read", shown and any(p.get("text") == "收到：5 分" for p in shown["parts"]), shown)
say = None

# What a stranger could send.
signed, body = requests[-1]
crypto.decrypt_message(body, *signed)
check("a push opens twice", True)


def refused(name, kind, what):
    try:
        what()
        check(name, False, "it was accepted")
    except kind:
        check(name, True)
    except Exception as error:
        check(name, False, repr(error))


text = body.decode()
start = text.index("<Encrypt><![CDATA[") + len("<Encrypt><![CDATA[")
tampered = text[: start + 40] + ("A" if text[start + 40] != "A" else "B") + text[start + 41 :]
bad = InvalidSignatureException
refused("a changed body is refused", bad, lambda: crypto.decrypt_message(tampered.encode(), *signed))
refused("a changed signature is refused", bad, lambda: crypto.decrypt_message(body, "0" * 40, *signed[1:]))
refused("a changed time is refused", bad, lambda: crypto.decrypt_message(body, signed[0], "1", signed[2]))
refused("a changed nonce is refused", bad, lambda: crypto.decrypt_message(body, *signed[:2], "1"))
other = WeChatCrypto("AnotherToken", CONFIG["aes_key"], CONFIG["corp_id"])
refused("another token is refused", bad, lambda: other.decrypt_message(body, *signed))
foreign = WeChatCrypto(CONFIG["token"], CONFIG["aes_key"], "ww0000000000000000")
refused("another corp is refused", InvalidCorpIdException, lambda: foreign.decrypt_message(body, *signed))

# What the simulator refuses of the library's replies.
equal("no complaint about the replies so far", [c for c in sim.complaints() if "passive" in c], [])
crypto.token, real = "Changed", crypto.token
say = "<xml><MsgType>text</MsgType><Content>x</Content></xml>"


def forged(method, path, headers, body):
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
    return 200, "text/xml", crypto.encrypt_message(say, query["nonce"], query["timestamp"]).encode()


crypto.token = real
second = Receiver(lambda *a: answer(*a) if a[0] == "GET" else forged(*a))
sim.subscribe(app_id, f"{second.url}/hook")
crypto.token = "Changed"
sim.act(do="say", person=one, chat={"direct_with": app_id}, text="/积分")
equal("a forged reply is not shown", screen()[-1]["bot"], False)
check("and complained about", any("MsgSignature" in c for c in sim.complaints()), sim.complaints())
done()
