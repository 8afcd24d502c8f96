"""PyPI wechatpy as a client of the simulated WeCom: tokens, directory, messages, app groups, files."""

from wechatpy.enterprise import WeChatClient
from wechatpy.exceptions import WeChatClientException

from lib import Sim, app, check, done, equal

CONFIG = app("wecom")
BASE = CONFIG["base_url"].rstrip("/")
sim = Sim(BASE)


class Local(WeChatClient):
    # The token's address is absolute in the library; everything else follows this one.
    API_BASE_URL = f"{BASE}/cgi-bin/"

    def fetch_access_token(self):
        return self._fetch_access_token(
            url=f"{self.API_BASE_URL}gettoken",
            params={"corpid": self.corp_id, "corpsecret": self.secret},
        )


def client(secret=CONFIG["secret"], corp=CONFIG["corp_id"]):
    made = Local(corp, secret)
    made._http.trust_env = False
    return made


def code(what):
    """The platform's error code, or None when it went well."""
    try:
        what()
    except WeChatClientException as error:
        return error.errcode
    return None


wecom = client()
agent = CONFIG["agent_id"]
app_id = next(a["id"] for a in sim.info()["apps"] if a["kind"] == "wecom")
people = sim.people()
one, two, three = [p["id"] for p in people if p["active"]][:3]


def direct(person):
    """What a person sees in the private chat with the app."""
    chat = next(c for c in sim.chats() if c["person"] == person and c["apps"] == [app_id])
    return sim.screen(chat["id"], person)


def words(item):
    return "".join(p.get("text") or p.get("label") or p.get("name") or "" for p in item["parts"])


# Tokens.
token = wecom.fetch_access_token()
check("a token has a life", 0 < token["expires_in"] <= 7200 and len(token["access_token"]) > 20)
equal("while it is valid the same one is given", wecom.fetch_access_token()["access_token"], token["access_token"])
equal("a wrong secret is refused", code(lambda: client(secret="x" * 43).fetch_access_token()), 40001)
equal("a wrong corp is refused", code(lambda: client(corp="ww0000000000000000").fetch_access_token()), 40013)
stale = client()
stale.session.set(stale.access_token_key, "nonsense")
equal("an unknown token is replaced by the library", len(stale.department.get()) > 0, True)
sim.fault(path="", times=1, kind={"kind": "revoke_tokens"})
equal("a revoked token, too", wecom.user.get(one)["userid"], one)
check("and the new one is another", wecom.access_token != token["access_token"])

# Directory.
departments = wecom.department.get()
check("departments have a root", any(d["id"] == 1 and d["parentid"] == 0 for d in departments))
check("and a tree", {d["parentid"] for d in departments} <= {0} | {d["id"] for d in departments})
found = {}
for department in departments:
    for user in wecom.department.get_users(department["id"], status=0, fetch_child=0, simple=False):
        found[user["userid"]] = user["name"]
equal("everybody is found through the departments", found, {p["id"]: p["name"] for p in people})
simple = wecom.department.get_users(departments[-1]["id"], status=0, fetch_child=0, simple=True)
check("the short list has ids and names", all({"userid", "name"} <= set(u) for u in simple))
equal("one person", wecom.user.get(two)["name"], next(p["name"] for p in people if p["id"] == two))
equal("ids are compared without regard to case", wecom.user.get(two.upper())["userid"], two)
equal("an unknown person", code(lambda: wecom.user.get("nobody-here")), 60111)
equal("an unknown department", code(lambda: wecom.department.get_users(999_999)), 60123)

# Messages to persons.
sent = wecom.message.send_text(agent, [one, "Nobody-Here"], "站会改到十点")
equal("who was not reached is told in lower case", sent["invaliduser"], "nobody-here")
check("a message has an id", len(sent["msgid"]) > 8)
equal("the person reads it", words(direct(one)[-1]), "站会改到十点")
wecom.message.send_markdown(agent, one, "**粗** 与 [链接](https://example.org/)")
kinds = [p["part"] for p in direct(one)[-1]["parts"]]
check("markdown is markdown", "strong" in kinds and "link" in kinds, kinds)
wecom.message.send_text_card(agent, one, "周报", "第 47 周", "https://example.org/47")
check("a text card shows its title", "周报" in words(direct(one)[-1]))
equal("nobody at all", code(lambda: wecom.message.send_text(agent, "nobody-here", "x")), 81013)
equal("no receiver", code(lambda: wecom.message.send_text(agent, "", "x")), 82001)
equal("another agent", code(lambda: wecom.message.send_text(agent + 1, one, "x")), 301002)
equal("no content", code(lambda: wecom.message.send_text(agent, one, "")), 44004)
button = {
    "msgtype": "template_card",
    "template_card": {
        "card_type": "button_interaction",
        "main_title": {"title": "收到请点"},
        "button_list": [{"text": "收到", "style": 1, "key": "ack"}],
        "task_id": "t-1",
    },
}
equal("a card needs a callback address", code(lambda: wecom.message.send(agent, one, msg=button)), 43012)
recalled = wecom.message.send_text(agent, two, "发错了")
wecom.post("message/recall", data={"msgid": recalled["msgid"]})
check("a message taken back is gone", direct(two)[-1]["recalled"])
before = len(direct(three)) if any(c["person"] == three for c in sim.chats()) else 0
for n in range(31):
    wecom.message.send_text(agent, three, f"第 {n} 条")
equal("above 30 a minute they are dropped without an error", len(direct(three)) - before, 30)

# Groups of the app.
made = wecom.appchat.create("interop1", "周末徒步", one, [one, two, three])
equal("the group has the id we gave", made["chatid"], "interop1")
equal("an id is used once", code(lambda: wecom.appchat.create("interop1", "又一个", one, [one, two])), 86215)
check("it is invisible until something is said", not any(c["id"] == "interop1" for c in sim.chats()))
wecom.appchat.send_text("interop1", "周六八点集合")
equal("its members read it", words(sim.screen("interop1", two)[-1]), "周六八点集合")
wecom.appchat.update("interop1", name="周日徒步", del_user_list=[three])
info = wecom.appchat.get("interop1")
equal("name and members are changed", (info["name"], sorted(info["userlist"])), ("周日徒步", sorted([one, two])))
equal("an unknown group", code(lambda: wecom.appchat.send_text("nowhere", "x")) in (86001, 86003, 40050), True)

# Files.
file = wecom.media.upload("file", ("plan.txt", b"day one, day two"))
equal("an upload is named by type", file["type"], "file")
wecom.message.send_file(agent, one, file["media_id"])
equal("and can be sent", direct(one)[-1]["parts"][0]["part"], "image")
# The library's own download has an absolute address.
got = wecom.get("media/get", params={"media_id": file["media_id"]})
equal("and read again", got.content, b"day one, day two")
equal("an unknown file", code(lambda: wecom.message.send_file(agent, one, "nothing")), 40007)

# Limits.
sim.fault(path="message/send", times=1, kind={"kind": "code", "code": 45009, "text": "api freq out of limit"})
equal("the library knows the frequency limit", code(lambda: wecom.message.send_text(agent, one, "x")), 45009)
done()
