"""Our own program behind a company's proxy: `hutong serve` with the platform's real host names, over
TLS, through an HTTP proxy (CONNECT) that ends at the simulator. Every socket is on loopback; the
names are never resolved, because the proxy does that. Shows that the long connection and the calls
go through the proxy of the environment, that certificates are checked, and that an endpoint outside
of the platform's hosts is not even asked for."""

import datetime
import http.client
import http.server
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lib import Sim, app, check, done, equal, until

HOST = "open.feishu.cn"
SOCKET_HOST = "msg-frontier.feishu.cn"
HUTONG = os.environ["HUTONG"]
feishu = app("feishu")
sim = Sim(feishu["base_url"])
sim_address = feishu["base_url"].removeprefix("http://")
work = pathlib.Path(tempfile.mkdtemp())


def certificates(name):
    """A fresh authority and a certificate of it for the platform's hosts."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)

    def build(subject, key, issuer, signer, names, ca):
        title = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(title(subject))
            .issuer_name(title(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(n) for n in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(signer, hashes.SHA256())

    pem = lambda c: c.public_bytes(serialization.Encoding.PEM)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = build(f"test authority {name}", ca_key, f"test authority {name}", ca_key, [], True)
    leaf = build(HOST, key, f"test authority {name}", ca_key, [HOST, SOCKET_HOST], False)
    (work / f"{name}.ca.pem").write_bytes(pem(ca))
    (work / f"{name}.pem").write_bytes(
        pem(leaf)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


class Proxy:
    """Takes CONNECT, plays the platform's TLS front, and hands on to the simulator. `endpoint` is the
    host that the answer of the discovery names."""

    def __init__(self, certificate, endpoint):
        self.asked, self.failed, self.calls = [], [], []
        self.endpoint = endpoint
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(work / f"{certificate}.pem")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = client.recv(1)
            if not byte:
                return
            head += byte
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        if method != "CONNECT":
            self.failed.append(f"{method} {target}")
            client.close()
            return
        host = target.rsplit(":", 1)[0]
        self.asked.append(host)
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            secure = self.context.wrap_socket(client, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.failed.append(str(error))
            return
        if host == SOCKET_HOST:
            self.tunnel(secure)
        else:
            self.http(secure)

    def tunnel(self, secure):
        name, port = sim_address.split(":")
        inner = socket.create_connection((name, int(port)))

        def pump(source, sink):
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
            except OSError:
                pass
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        threading.Thread(target=pump, args=(secure, inner), daemon=True).start()
        pump(inner, secure)

    def http(self, secure):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.calls.append(self.path.split("?")[0])
                inner = http.client.HTTPConnection(sim_address, timeout=20)
                keep = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "accept-encoding")}
                inner.request(self.command, self.path, body, keep)
                answer = inner.getresponse()
                text = answer.read()
                if self.path.startswith("/callback/ws/endpoint"):
                    text = text.replace(f"ws://{sim_address}".encode(), f"wss://{outer.endpoint}".encode())
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = any

            def log_message(self, *_):
                pass

        try:
            Handler(secure, ("127.0.0.1", 0), None)
        except (OSError, ssl.SSLError):
            pass


def serve(name, proxy, authority):
    config = work / f"{name}.toml"
    config.write_text(
        f"""
[server]
listen = "127.0.0.1:0"
[store]
url = "sqlite://{work}/{name}.db"
[company]
name = "proxy"
[[app]]
id = "feishu"
platform = "feishu"
receive = "long_connection"
app_id = "{feishu["app_id"]}"
app_secret = {{ env = "SECRET" }}
base_url = "https://{HOST}"
"""
    )
    env = {
        "PATH": os.environ["PATH"],
        "SECRET": feishu["app_secret"],
        "HTTPS_PROXY": proxy.url,
        "SSL_CERT_FILE": str(work / f"{authority}.ca.pem"),
    }
    log = (work / f"{name}.log").open("w")
    return subprocess.Popen([HUTONG, "serve", "--config", str(config)], env=env, stdout=log, stderr=log)


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return "killed"


def live():
    return sum(sim.info()["links"].values())


certificates("good")
certificates("other")
group = next(c for c in sim.chats() if c["group"])
person = group["members"][0]

proxy = Proxy("good", SOCKET_HOST)
bot = serve("good", proxy, "good")
check("the long connection stands, through the proxy", until(live, 20))
check("the discovery went through the proxy", "/callback/ws/endpoint" in proxy.calls, proxy.calls)
check("both hosts were asked for by name", {HOST, SOCKET_HOST} <= set(proxy.asked), proxy.asked)
sim.act(do="say", person=person, chat={"chat": group["id"]}, text="<@bot> /帮助")


def answer():
    items = sim.screen(group["id"], person)
    return [i for i in items if i["bot"] and "/体检" in str(i["parts"])]


check("a question over the connection is answered through the proxy", until(answer, 20))
check("the answer was sent over TLS", any("/im/v1/messages" in c for c in proxy.calls), proxy.calls)
equal("it stops in good order", stop(bot), 0)
equal("no call went around the proxy or failed", proxy.failed, [])
check("the connection is gone", until(lambda: not live(), 10))

stranger = Proxy("other", SOCKET_HOST)
bot = serve("stranger", stranger, "good")
check("a certificate of another authority is refused", until(lambda: stranger.failed, 20), stranger.failed)
equal("nothing was said to it", stranger.calls, [])
stop(bot)

elsewhere = Proxy("good", "msg-frontier.feishu.cn.evil.example")
bot = serve("elsewhere", elsewhere, "good")
check("the discovery is asked", until(lambda: "/callback/ws/endpoint" in elsewhere.calls, 20))
time.sleep(2)
equal("an endpoint outside of the platform's hosts is not", set(elsewhere.asked), {HOST})
stop(bot)
done()
