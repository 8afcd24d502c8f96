"""PyPI wecom-aibot-python-sdk on the simulated long connection. The SDK insists on TLS, so a small
proxy speaks it with a certificate made here, which the SDK is told to trust."""

import asyncio
import datetime
import ipaddress
import os
import ssl
import tempfile
import urllib.parse

import aibot.ws
from aibot import WSClient, WSClientOptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lib import Sim, app, check, done, equal

BOT = app("wecom_aibot")
sim = Sim(BOT["base_url"])
bot_app = next(a["id"] for a in sim.info()["apps"] if a["kind"] == "wecom_aibot")
one, two = [p["id"] for p in sim.people()][:2]


def certificate():
    """A self-signed certificate for 127.0.0.1; the path of a file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated WeCom")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = tempfile.NamedTemporaryFile(suffix=".pem", delete=False)
    file.write(made.public_bytes(serialization.Encoding.PEM))
    file.write(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    file.close()
    return file.name


async def tls_proxy():
    """Takes TLS off and passes the bytes on; the address to connect to."""
    plain = urllib.parse.urlsplit(BOT["ws_url"])
    path = certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    aibot.ws._SSL_CONTEXT.load_verify_locations(path)
    os.unlink(path)

    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        writer.close()

    async def serve(reader, writer):
        there, back = await asyncio.open_connection(plain.hostname, plain.port)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    return server, f"wss://127.0.0.1:{port}{plain.path}"


class Quiet:
    def debug(self, *_):
        pass

    info = warn = error = debug


def words(item):
    return "".join(p.get("text") or p.get("label") or p.get("name") or "" for p in item["parts"])


def button(task, title="内容审核"):
    return {
        "card_type": "button_interaction",
        "main_title": {"title": title},
        "button_list": [{"text": "通过", "style": 1, "key": "ok"}],
        "task_id": task,
    }


async def until(what, seconds=10.0):
    end = asyncio.get_running_loop().time() + seconds
    while True:
        value = what()
        if value or asyncio.get_running_loop().time() > end:
            return value
        await asyncio.sleep(0.02)


async def act(**verb):
    return await asyncio.to_thread(lambda: sim.act(**verb))


async def code(future):
    """The platform's error code in the SDK's exception; 0 when there is none."""
    try:
        await future
    except RuntimeError as error:
        text = str(error)
        return int(text.split("errcode=")[1].split(",")[0]) if "errcode=" in text else text
    return 0


class Client:
    def __init__(self, url, **options):
        self.seen, self.gone, self.errors, self.ready = [], [], [], 0
        options = {"secret": BOT["secret"], "heartbeat_interval": 300, "reconnect_interval": 300, **options}
        self.sdk = WSClient(WSClientOptions(bot_id=BOT["bot_id"], ws_url=url, logger=Quiet(), **options))
        self.sdk.on("message", self.seen.append)
        self.sdk.on("event", self.seen.append)
        self.sdk.on("disconnected", self.gone.append)
        self.sdk.on("error", lambda error: self.errors.append(str(error)))
        self.sdk.on("authenticated", self._ready)

    def _ready(self):
        self.ready += 1

    async def next(self):
        return self.seen.pop(0) if await until(lambda: self.seen) else None


async def main():
    server, url = await tls_proxy()
    wrong = Client(url, secret="x" * 43)
    await wrong.sdk.connect()
    check("wrong credentials are refused", await until(lambda: any("853000" in e for e in wrong.errors)), wrong.errors)
    wrong.sdk.disconnect()

    client = Client(url)
    await client.sdk.connect()
    check("subscribed over TLS", await until(lambda: client.ready == 1), client.errors)

    group = (await act(do="create_chat", name="接龙", owner=one, members=[two], apps=[bot_app]))["chat"]
    asked = await act(do="say", person=one, chat={"chat": group}, text="<@bot> /points")
    equal("the message is pushed", (asked["callbacks_ok"], asked["callbacks_failed"]), (1, 0))
    frame = await client.next()
    body = frame["body"]
    equal("a text message", (frame["cmd"], body["msgtype"]), ("aibot_msg_callback", "text"))
    equal("from the person in the group", (body["from"]["userid"], body["chatid"]), (one, group))

    def bots(chat, viewer=one):
        return [i for i in sim.screen(chat, viewer) if i["bot"]]

    for n, text in enumerate(["正在查…", "正在查…\n12 分", "**12** 分"]):
        ack = await client.sdk.reply_stream(frame, "stream_1", text, n == 2)
        equal(f"frame {n + 1} is acknowledged", (ack["errcode"], "cmd" in ack), (0, False))
    equal("three frames are one message", [words(i) for i in bots(group)], ["12 分"])
    equal("that quotes the question", bots(group)[0]["reply_to"], asked["message"])

    await act(do="say", person=one, chat={"chat": group}, text="<@bot> /review")
    review = await client.next()
    equal("a card answers", (await client.sdk.reply_template_card(review, button("r-1")))["errcode"], 0)
    await act(do="click", person=two, message=bots(group)[-1]["id"], action="ok")
    click = await client.next()
    detail = click["body"]["event"]["template_card_event"]
    equal("the click", (detail["event_key"], detail["task_id"], click["body"]["from"]["userid"]), ("ok", "r-1", two))
    equal("the card is updated", (await client.sdk.update_template_card(click, button("r-1", "已通过")))["errcode"], 0)
    check("for everybody", "已通过" in words(bots(group)[-1]))
    equal("another card's task id is refused", await code(client.sdk.update_template_card(click, button("r-2"))), 846625)

    await act(do="say", person=one, chat={"chat": group}, text="<@bot> /vote")
    vote = await client.next()
    both = await client.sdk.reply_stream_with_card(vote, "stream_2", "请投票", True, template_card=button("r-3"))
    equal("a stream with a card", both["errcode"], 0)
    equal("is both", [words(i) for i in bots(group)[-2:]], ["请投票", "内容审核"])

    await act(do="open_direct", person=one, app=bot_app)
    entered = await client.next()
    equal("an entry", entered["body"]["event"]["eventtype"], "enter_chat")
    welcome = {"msgtype": "template_card", "template_card": button("w-1", "你好")}
    equal("is welcomed with a card", (await client.sdk.reply_welcome(entered, welcome))["errcode"], 0)
    plain = {"msgtype": "text", "text": {"content": "x"}}
    equal("plain text is no answer to a message", await code(client.sdk.reply(vote, plain)), 846606)

    push = {"msgtype": "markdown", "markdown": {"content": "每周专栏"}}
    equal("a push", (await client.sdk.send_message(group, push))["errcode"], 0)
    equal("not to who has never spoken", await code(client.sdk.send_message(two, push)), 846607)
    equal("not to an unknown chat", await code(client.sdk.send_message("wrX", push)), 93006)

    # The wire is cut: the SDK comes back, and its old callback is worth nothing.
    await asyncio.to_thread(lambda: sim.fault(path="", times=1, kind={"kind": "drop_link"}))
    check("it comes back after a cut", await until(lambda: client.ready == 2), client.errors)
    equal("an old callback is not answered", await code(client.sdk.reply_stream(vote, "stream_3", "x", True)), 846605)

    # Takeover. This SDK does not know the event and would come back; here it is stopped before.
    client.seen.clear()
    newer = Client(url)
    await newer.sdk.connect()
    check("a newer connection is subscribed", await until(lambda: newer.ready == 1))
    told = await client.next()
    equal("the older one is told", told and told["body"]["event"]["eventtype"], "disconnected_event")
    check("and ended by the platform", await until(lambda: len(client.gone) == 2), client.gone)
    client.sdk.disconnect()
    await act(do="say", person=one, chat={"direct_with": bot_app}, text="谁在")
    check("the newer one hears", await newer.next())
    equal("and the older one does not", client.seen, [])
    server.close()
    done()


asyncio.run(main())
