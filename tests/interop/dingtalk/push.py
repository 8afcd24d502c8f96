"""What the simulated platform pushes over HTTP, opened by an implementation of its own (AES and SHA-1
of the package `cryptography`; none of the platform's clients brings one), and answered both ways."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import struct
import time
import urllib.parse

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from lib import Receiver, Sim, app, check, done, equal, until

me = app("dingtalk")
sim = Sim(me["base_url"])
APP = sim.info()["apps"][0]["id"]
KEY = base64.b64decode(me["event_aes_key"] + "=")
TOKEN = me["event_token"]
OWNER = me["client_id"]


def sign(timestamp, nonce, sealed, token=TOKEN):
    return hashlib.sha1("".join(sorted([token, timestamp, nonce, sealed])).encode()).hexdigest()


def cipher():
    return Cipher(algorithms.AES(KEY), modes.CBC(KEY[:16]))


def open_(sealed):
    worker = cipher().decryptor()
    plain = worker.update(base64.b64decode(sealed)) + worker.finalize()
    plain = plain[: -plain[-1]]
    length = struct.unpack(">I", plain[16:20])[0]
    return plain[20 : 20 + length].decode(), plain[20 + length :].decode()


def seal(text, owner=OWNER):
    plain = secrets.token_hex(8).encode() + struct.pack(">I", len(text.encode())) + text.encode() + owner.encode()
    fill = 32 - len(plain) % 32
    worker = cipher().encryptor()
    return base64.b64encode(worker.update(plain + bytes([fill]) * fill) + worker.finalize()).decode()


mode = ["good"]
pushes, robots, bad = [], [], []


def answer(_method, path, headers, body):
    query = {k: v[0] for k, v in urllib.parse.parse_qs(urllib.parse.urlsplit(path).query).items()}
    if "sign" in headers:
        stamp = headers["timestamp"]
        mac = hmac.new(me["client_secret"].encode(), f"{stamp}\n{me['client_secret']}".encode(), hashlib.sha256)
        if base64.b64encode(mac.digest()).decode() != headers["sign"]:
            bad.append("robot sign")
        if abs(int(stamp) / 1000 - time.time()) > 60:
            bad.append("robot time")
        robots.append(json.loads(body))
        return 200, "application/json", b'{"msgtype":"text","text":{"content":"reply in the answer"}}'
    sealed = json.loads(body)["encrypt"]
    if sign(query["timestamp"], query["nonce"], sealed) != query["msg_signature"]:
        bad.append("signature")
    if query["signature"] != query["msg_signature"]:
        bad.append("twin signature")
    text, owner = open_(sealed)
    if owner != OWNER:
        bad.append(f"owner {owner}")
    pushes.append((json.loads(text), query["nonce"]))
    if mode[0] == "plain":
        return 200, "text/plain", b"success"
    stamp, nonce = str(int(time.time() * 1000)), secrets.token_hex(4)
    reply = seal("success" if mode[0] != "other text" else "fail", OWNER if mode[0] != "other owner" else "dingother")
    signature = sign(stamp, nonce, reply, TOKEN if mode[0] != "other token" else "x")
    out = {"msg_signature": signature, "timeStamp": stamp, "nonce": nonce, "encrypt": reply}
    return 200, "application/json", json.dumps(out).encode()


receiver = Receiver(answer)
sim.subscribe(APP, f"{receiver.url}/hook")
equal("the address check", [p for p, _ in pushes], [{"EventType": "check_url"}])
owner, friend, guest = [p["id"] for p in sim.people() if p["active"]][:3]
made = sim.act(do="create_chat", name="联调群", owner=owner, members=[owner, friend], apps=[APP])
chat = made["chat"]
equal("an event is taken", (made["callbacks_ok"], made["callbacks_failed"]), (1, 0))
event = pushes[-1][0]
equal("its envelope", (event["EventType"], event["CorpId"], event["openConversationId"]),
      ("im_cool_app_install", me["corp_id"], chat))
for verb, kind in [
    ({"do": "join", "person": guest, "chat": chat, "by": owner}, "chat_add_member"),
    ({"do": "leave", "person": guest, "chat": chat}, "chat_quit"),
    ({"do": "rename_chat", "chat": chat, "name": "研发·胡同 🏮", "by": owner}, "chat_update_title"),
]:
    did = sim.act(**verb)
    equal(f"{kind}: taken", (did["callbacks_ok"], pushes[-1][0]["EventType"]), (1, kind))
equal("text beyond ASCII survives", pushes[-1][0]["title"], "研发·胡同 🏮")
nonces = [n for _, n in pushes]
equal("every push has its own nonce", len(set(nonces)), len(nonces))

said = sim.act(do="say", person=owner, chat={"chat": chat}, text="<@bot> 你好")
equal("a robot message is taken", (said["callbacks_ok"], robots[-1]["msgId"]), (1, said["message"]))
check("what its answer says is shown", "reply in the answer" in json.dumps(sim.screen(chat, friend)))

refused = []
for wrong in ["plain", "other text", "other owner", "other token"]:
    mode[0] = wrong
    did = sim.act(do="rename_chat", chat=chat, name=wrong, by=owner)
    equal(f"an answer with {wrong} counts as none", (did["callbacks_ok"], did["callbacks_failed"]), (0, 1))
    refused.append(pushes[-1][0]["eventId"])
mode[0] = "good"
seen = len(pushes)
check("the four come again, under their ids",
      until(lambda: set(refused) <= {p["eventId"] for p, _ in pushes[seen:]}, 25), pushes[seen:])
equal("every signature and owner was right", bad, [])
equal("nothing the platform would have refused", sim.complaints(), [])
done()
