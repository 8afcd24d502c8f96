"""The official Python SDK on the simulated Feishu's calls about the app and the company: scopes, the
app itself, daily figures, badges, connections, messages to many, downloads."""

import base64
import io
import json
import time
import uuid
from datetime import datetime, timedelta, timezone

import lark_oapi as lark
from lark_oapi.api.admin.v1 import *
from lark_oapi.api.application.v6 import *
from lark_oapi.api.im.v1 import *

from lib import Sim, app, check, done, equal

me = app("feishu")
sim = Sim(me["base_url"])
client = (
    lark.Client.builder()
    .app_id(me["app_id"])
    .app_secret(me["app_secret"])
    .domain(me["base_url"])
    .log_level(lark.LogLevel.CRITICAL)
    .build()
)


def good(name, answer):
    return check(name, answer.success(), f"code {answer.code}: {answer.msg}")


def plain(method, uri, body=None):
    request = lark.BaseRequest.builder().http_method(method).uri(uri).token_types({lark.AccessTokenType.TENANT})
    if body is not None:
        request = request.body(body)
    answer = client.request(request.build())
    return answer, json.loads(answer.raw.content)


# The app.
scopes = client.application.v6.scope.list(ListScopeRequest.builder().build())
good("scopes", scopes)
granted = {s.scope_name for s in scopes.data.scopes if s.grant_status == 1}
check("scopes: what the company has granted", "im:message:send_as_bot" in granted or "im:message" in granted, sorted(granted))
found = client.application.v6.application.get(
    GetApplicationRequest.builder().app_id("me").lang("zh_cn").user_id_type("open_id").build()
)
good("the app", found)
equal("the app: id and status", (found.data.app.app_id, found.data.app.status), (me["app_id"], 1))
answer, body = plain(lark.HttpMethod.GET, "/open-apis/event/v1/connection")
good("connections", answer)
equal("connections: none", body["data"]["online_instance_cnt"], 0)
answer, body = plain(lark.HttpMethod.GET, "/open-apis/event/v1/outbound_ip?page_size=50")
good("addresses that events come from", answer)

# Figures of a day that is over.
day = (datetime.now(timezone(timedelta(hours=8))) - timedelta(days=2)).strftime("%Y-%m-%d")


def pages(call, build):
    items, token = [], None
    while True:
        request = build()
        if token:
            request = request.page_token(token)
        answer = call(request.build())
        if not answer.success():
            raise RuntimeError(f"{answer.code}: {answer.msg}")
        items += answer.data.items or []
        if not answer.data.has_more:
            return items
        token = answer.data.page_token


people = [p for p in sim.people() if p["active"]]
rows = pages(
    client.admin.v1.admin_user_stat.list,
    lambda: ListAdminUserStatRequest.builder()
    .user_id_type("user_id")
    .department_id_type("open_department_id")
    .start_date(day)
    .end_date(day)
    .page_size(7),
)
equal("figures of people, in pages", sorted(r.user_id for r in rows), sorted(p["id"] for p in people))
equal("figures of people: the day", {r.date for r in rows}, {day})
rows = pages(
    client.admin.v1.admin_dept_stat.list,
    lambda: ListAdminDeptStatRequest.builder()
    .department_id_type("open_department_id")
    .department_id("0")
    .contains_child_dept(True)
    .start_date(day)
    .end_date(day)
    .page_size(3),
)
equal("figures of departments: everybody is in the root", [r.total_user_num for r in rows if r.department_id == "0"], [len(people)])

# Badges.
def grants(badge):
    return client.admin.v1.badge_grant.list(ListBadgeGrantRequest.builder().badge_id(badge).page_size(10).build())


equal("a badge that is not there", grants("m_none").code, 1051113)
sim.call("badge", {"badge": "m_star"})
midnight = datetime.now(timezone(timedelta(hours=8))).replace(hour=0, minute=0, second=0, microsecond=0)
wears = [people[0]["id"], people[1]["id"]]
made = client.admin.v1.badge_grant.create(
    CreateBadgeGrantRequest.builder()
    .badge_id("m_star")
    .user_id_type("user_id")
    .request_body(
        Grant(
            {
                "name": "十一月之星", "grant_type": 0, "time_zone": "Asia/Shanghai", "is_grant_all": False,
                "rule_detail": {"effective_time": str(int(midnight.timestamp())), "effective_period": 1},
                "user_ids": wears,
            }
        )
    )
    .build()
)
good("badge: grant", made)
equal("badge: who wears it", sorted(sim.call("badge?badge=m_star")), sorted(wears))
listed = grants("m_star")
good("badge: grants", listed)
equal("badge: which grant", [(g.id, g.name) for g in listed.data.grants], [(made.data.grant.id, "十一月之星")])

# Messages to many, by a call without an SDK model.
answer, body = plain(
    lark.HttpMethod.POST,
    "/open-apis/message/v4/batch_send/",
    {"user_ids": [people[0]["id"], people[1]["id"], "nobody"], "msg_type": "text", "content": {"text": "群发"}},
)
good("to many", answer)
equal("to many: who was not found", body["data"]["invalid_user_ids"], ["nobody"])
time.sleep(0.3)
progress = client.im.v1.batch_message.get_progress(
    GetProgressBatchMessageRequest.builder().batch_message_id(body["data"]["message_id"]).build()
)
good("to many: progress", progress)
sent = progress.data.batch_message_send_progress
equal("to many: how many", (sent.valid_user_ids_count, sent.success_user_ids_count), (2, 2))

# What a person sends comes back as it went.
chat = next(c for c in sim.chats() if c["group"] and me["app_id"] in c["apps"])
data = bytes(range(256)) * 3


def load(message, kind):
    got = client.im.v1.message.get(GetMessageRequest.builder().message_id(message).build())
    key = json.loads(got.data.items[0].body.content)[f"{kind}_key"]
    return client.im.v1.message_resource.get(
        GetMessageResourceRequest.builder().message_id(message).file_key(key).type(kind).build()
    )


for kind, name in (("file", "a.bin"), ("image", "a.png")):
    did = sim.call(
        "attach",
        {"person": chat["members"][0], "chat": chat["id"], "kind": kind, "name": name, "base64": base64.b64encode(data).decode()},
    )
    loaded = load(did["message"], kind)
    check(f"{kind}: the same bytes", loaded.file is not None and loaded.file.read() == data, loaded.raw.content[:200])
# Its own file the bot has no need to load, and may not (feishu.md 5.6).
file = client.im.v1.file.create(
    CreateFileRequest.builder()
    .request_body(CreateFileRequestBody.builder().file_type("stream").file_name("a.bin").file(io.BytesIO(data)).build())
    .build()
)
good("own file", file)
body = {
    "receive_id": chat["id"], "msg_type": "file",
    "content": json.dumps({"file_key": file.data.file_key}), "uuid": uuid.uuid4().hex,
}
message = client.im.v1.message.create(
    CreateMessageRequest.builder().receive_id_type("chat_id").request_body(CreateMessageRequestBody(body)).build()
)
good("own file: sent", message)
check("own file: not loaded", load(message.data.message_id, "file").file is None)

meant = (": 1051113 ", ": 234043 ")
equal("no other complaint", [c for c in sim.complaints() if not any(m in c for m in meant)], [])
done()
