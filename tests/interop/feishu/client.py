"""The official Python SDK as a client of the simulated Feishu: tokens, messages, cards, files, groups,
members, the directory, readers, reactions, pins, buzzes, the calendar."""

import io
import json
import time
import uuid

import lark_oapi as lark
from lark_oapi.api.auth.v3 import *
from lark_oapi.api.calendar.v4 import *
from lark_oapi.api.contact.v3 import *
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
im, contact = client.im.v1, client.contact.v3


def good(name, answer):
    return check(name, answer.success(), f"code {answer.code}: {answer.msg}")


def refused(name, answer, code):
    return equal(name, answer.code, code)


def pages(call, request_of, most=200):
    """All items of a paged listing, and how many pages there were."""
    items, token, count = [], None, 0
    while count < most:
        answer = call(request_of(token))
        if not answer.success():
            raise RuntimeError(f"{answer.code}: {answer.msg}")
        count += 1
        items += answer.data.items or []
        if not answer.data.has_more:
            break
        token = answer.data.page_token
    return items, count


def shown(chat, viewer):
    return json.dumps(sim.screen(chat, viewer), ensure_ascii=False)


# Tokens.
def token(secret):
    body = InternalTenantAccessTokenRequestBody({"app_id": me["app_id"], "app_secret": secret})
    request = InternalTenantAccessTokenRequest.builder().request_body(body).build()
    return client.auth.v3.tenant_access_token.internal(request)


first = token(me["app_secret"])
good("token", first)
said = json.loads(first.raw.content)
check("token is a tenant's", said["tenant_access_token"].startswith("t-"), said)
check("token lives for two hours at most", 0 < said["expire"] <= 7200, said["expire"])
again = json.loads(token(me["app_secret"]).raw.content)
equal("the same token while it has half an hour left", again["tenant_access_token"], said["tenant_access_token"])
equal("a wrong secret", json.loads(token("wrong").raw.content)["code"], 10015)
info = lark.BaseRequest.builder().http_method(lark.HttpMethod.GET).uri("/open-apis/bot/v3/info")
info = client.request(info.token_types({lark.AccessTokenType.TENANT}).build())
bot = json.loads(info.raw.content)["bot"]
check("the bot is enabled and has an open_id", bot["activate_status"] == 2 and bot["open_id"].startswith("ou_"), bot)
# The SDK looks the header up with its capitals, which an HTTP server need not keep.
headers = {name.lower(): value for name, value in info.raw.headers.items()}
check("answers carry a log id", bool(headers.get("x-tt-logid")), headers)

# The directory.
def children(size):
    return pages(
        contact.department.children,
        lambda page: (
            lambda b: (b.page_token(page) if page else b).build()
        )(
            ChildrenDepartmentRequest.builder()
            .user_id_type("open_id")
            .department_id_type("open_department_id")
            .department_id("0")
            .fetch_child(True)
            .page_size(size)
        ),
    )


departments, count = children(2)
check("departments come in pages", count > 1 and count == -(-len(departments) // 2), (count, len(departments)))
equal("departments without pages", len(children(50)[0]), len(departments))
check("departments have names and parents", all(d.name and d.parent_department_id is not None for d in departments))
people = {}
for department in ["0"] + [d.open_department_id for d in departments]:
    found, _ = pages(
        contact.user.find_by_department,
        lambda page: (
            lambda b: (b.page_token(page) if page else b).build()
        )(
            FindByDepartmentUserRequest.builder()
            .user_id_type("open_id")
            .department_id_type("open_department_id")
            .department_id(department)
            .page_size(10)
        ),
    )
    for person in found:
        people[person.open_id] = person
wanted = {p["id"]: p for p in sim.people() if p["active"]}
equal("everybody is found through the departments", sorted(p.user_id for p in people.values()), sorted(wanted))
by_user = {p.user_id: p for p in people.values()}
equal("names", {u: by_user[u].name for u in wanted}, {u: p["name"] for u, p in wanted.items()})
ids = sorted(people)[:3]
batch = contact.user.batch(BatchUserRequest.builder().user_ids(ids).user_id_type("open_id").build())
good("users in a batch", batch)
equal("users in a batch, by repeated parameter", sorted(u.open_id for u in batch.data.items), ids)
one = next(iter(wanted.values()))
body = BatchGetIdUserRequestBody({"emails": [one["email"]], "mobiles": [one["mobile"], "+8600000000000"]})
found = contact.user.batch_get_id(BatchGetIdUserRequest.builder().user_id_type("open_id").request_body(body).build())
good("ids by mail and mobile", found)
equal(
    "two of three are known",
    [u.user_id for u in found.data.user_list if u.user_id],
    [by_user[one["id"]].open_id] * 2,
)
single = contact.user.get(GetUserRequest.builder().user_id(ids[0]).user_id_type("open_id").build())
good("one user", single)
equal("one user, by open_id", single.data.user.name, people[ids[0]].name)
scopes = contact.scope.list(ListScopeRequest.builder().user_id_type("open_id").page_size(50).build())
good("contact scope", scopes)
refused(
    "a page size over the limit",
    contact.user.find_by_department(
        FindByDepartmentUserRequest.builder().department_id("0").page_size(51).build()
    ),
    40011,
)

# Groups.
members = [by_user[u].open_id for u in sorted(wanted)][:6]


def create(key, owner=None):
    body = {"name": "接口联调", "description": "d", "user_id_list": members[:2], "chat_mode": "group", "chat_type": "private"}
    if owner:
        body["owner_id"] = owner
    request = CreateChatRequest.builder().user_id_type("open_id").set_bot_manager(True).uuid(key)
    return im.chat.create(request.request_body(CreateChatRequestBody(body)).build())


key = uuid.uuid4().hex
created = create(key, members[0])
good("group", created)
chat = created.data.chat_id
check("chat id", chat.startswith("oc_"), chat)
equal("the same key makes the same group", create(key, members[0]).data.chat_id, chat)
got = im.chat.get(GetChatRequest.builder().chat_id(chat).user_id_type("open_id").build())
good("read the group", got)
check("counts are texts", isinstance(got.data.user_count, str) and int(got.data.user_count) == 2, got.data.user_count)
equal("its owner", got.data.owner_id, members[0])


def add(ids, kind="open_id", succeed=1):
    request = CreateChatMembersRequest.builder().chat_id(chat).member_id_type(kind).succeed_type(succeed)
    return im.chat_members.create(request.request_body(CreateChatMembersRequestBody({"id_list": ids})).build())


added = add(members[2:5] + ["ou_00000000000000000000000000000000"])
good("members, one of them unknown", added)
equal(
    "the unknown one is listed",
    (added.data.invalid_id_list or []) + (added.data.not_existed_id_list or []),
    ["ou_00000000000000000000000000000000"],
)


def member_list(size):
    return pages(
        im.chat_members.get,
        lambda page: (
            lambda b: (b.page_token(page) if page else b).build()
        )(GetChatMembersRequest.builder().chat_id(chat).member_id_type("open_id").page_size(size)),
    )


listed, count = member_list(2)
equal("members in pages", (sorted(m.member_id for m in listed), count), (sorted(members[:5]), 3))
request = DeleteChatMembersRequest.builder().chat_id(chat).member_id_type("open_id")
good(
    "remove a member",
    im.chat_members.delete(request.request_body(DeleteChatMembersRequestBody({"id_list": [members[4]]})).build()),
)
equal("who is left", sorted(m.member_id for m in member_list(100)[0]), sorted(members[:4]))
inside = im.chat_members.is_in_chat(IsInChatChatMembersRequest.builder().chat_id(chat).build())
good("is the bot in it", inside)
equal("it is", inside.data.is_in_chat, True)
renamed = im.chat.update(
    UpdateChatRequest.builder()
    .chat_id(chat)
    .user_id_type("open_id")
    .request_body(UpdateChatRequestBody({"name": "改名之后"}))
    .build()
)
good("rename", renamed)
equal("the new name is seen", [c["name"] for c in sim.chats() if c["id"] == chat], ["改名之后"])
own, count = pages(
    im.chat.list,
    lambda page: (lambda b: (b.page_token(page) if page else b).build())(ListChatRequest.builder().page_size(3)),
)
check("own groups in pages", count > 1 and chat in [c.chat_id for c in own], (count, len(own)))

# Messages.
viewer = sorted(wanted)[1]


def send(to, kind, content, key=None, id_type="chat_id"):
    time.sleep(0.25)  # five a second to one chat
    body = {"receive_id": to, "msg_type": kind, "content": json.dumps(content), "uuid": key or uuid.uuid4().hex}
    request = CreateMessageRequest.builder().receive_id_type(id_type)
    return im.message.create(request.request_body(CreateMessageRequestBody(body)).build())


key = uuid.uuid4().hex
text = send(chat, "text", {"text": "早上好 <at user_id=\"%s\"></at>" % members[1]}, key)
good("text", text)
equal("text: chat and sender", (text.data.chat_id, text.data.sender.id), (chat, me["app_id"]))
equal("the same key sends once", send(chat, "text", {"text": "早上好"}, key).data.message_id, text.data.message_id)
check("people see it", "早上好" in shown(chat, viewer))
refused("not in that group", send("oc_00000000000000000000000000000000", "text", {"text": "x"}), 230002)
direct = send(members[1], "text", {"text": "私下"}, id_type="open_id")
good("to a person", direct)
check("the private chat is named", direct.data.chat_id.startswith("oc_"), direct.data.chat_id)
request = ReplyMessageRequest.builder().message_id(text.data.message_id)
reply = im.message.reply(
    request.request_body(
        ReplyMessageRequestBody({"msg_type": "text", "content": json.dumps({"text": "回复"}), "uuid": uuid.uuid4().hex})
    ).build()
)
good("reply", reply)
equal("reply: what it answers", (reply.data.parent_id, reply.data.root_id), (text.data.message_id,) * 2)
edited = im.message.update(
    UpdateMessageRequest.builder()
    .message_id(text.data.message_id)
    .request_body(UpdateMessageRequestBody({"msg_type": "text", "content": json.dumps({"text": "改过的早安"})}))
    .build()
)
good("edit", edited)
check("people see the edit", "改过的早安" in shown(chat, viewer))
post = {"zh_cn": {"title": "周报", "content": [[{"tag": "text", "text": "正文"}, {"tag": "at", "user_id": "all"}]]}}
good("post", send(chat, "post", post))


def card(line):
    return {
        "schema": "2.0",
        "config": {"update_multi": True},
        "header": {"title": {"tag": "plain_text", "content": "公告"}},
        "body": {"elements": [{"tag": "div", "text": {"tag": "plain_text", "content": line}}]},
    }


sent = send(chat, "interactive", card("第一版"))
good("card", sent)


def patch(message, content):
    body = PatchMessageRequestBody({"content": json.dumps(content)})
    return im.message.patch(PatchMessageRequest.builder().message_id(message).request_body(body).build())


good("patch a card", patch(sent.data.message_id, card("第二版")))
seen = shown(chat, viewer)
check("people see the new card only", "第二版" in seen and "第一版" not in seen)
refused(
    "PUT on a card",
    im.message.update(
        UpdateMessageRequest.builder()
        .message_id(sent.data.message_id)
        .request_body(UpdateMessageRequestBody({"msg_type": "text", "content": json.dumps({"text": "x"})}))
        .build()
    ),
    230001,
)
bad = card("x")
bad["body"]["elements"][0]["tag"] = "no_such_tag"
refused("a card that cannot be built", send(chat, "interactive", bad), 230099)
got = im.message.get(GetMessageRequest.builder().message_id(reply.data.message_id).build())
good("read a message", got)
equal("its text", json.loads(got.data.items[0].body.content), {"text": "回复"})
history, count = pages(
    im.message.list,
    lambda page: (lambda b: (b.page_token(page) if page else b).build())(
        ListMessageRequest.builder().container_id_type("chat").container_id(chat).page_size(2)
    ),
)
check(
    "history in pages",
    count > 1 and {text.data.message_id, reply.data.message_id} <= {m.message_id for m in history},
    (count, len(history)),
)

# Files.
png = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002"
    "00000500010d0a2db40000000049454e44ae426082"
)
image = im.image.create(
    CreateImageRequest.builder()
    .request_body(CreateImageRequestBody.builder().image_type("message").image(io.BytesIO(png)).build())
    .build()
)
good("image", image)
good("send the image", send(chat, "image", {"image_key": image.data.image_key}))
refused("somebody else's image", send(chat, "image", {"image_key": "img_v3_0000_none"}), 230017)
file = im.file.create(
    CreateFileRequest.builder()
    .request_body(
        CreateFileRequestBody.builder().file_type("stream").file_name("名单.csv").file(io.BytesIO(b"a,b\n")).build()
    )
    .build()
)
good("file", file)
good("send the file", send(chat, "file", {"file_key": file.data.file_key}))

# Readers, reactions, pins, buzzes.
asker = sorted(wanted)[1]
sim.act(do="read", person=asker, message=sent.data.message_id)
readers, _ = pages(
    im.message.read_users,
    lambda page: (lambda b: (b.page_token(page) if page else b).build())(
        ReadUsersMessageRequest.builder().message_id(sent.data.message_id).user_id_type("open_id").page_size(100)
    ),
)
equal("who has read", [r.user_id for r in readers], [by_user[asker].open_id])
reaction = im.message_reaction.create(
    CreateMessageReactionRequest.builder()
    .message_id(text.data.message_id)
    .request_body(CreateMessageReactionRequestBody({"reaction_type": {"emoji_type": "THUMBSUP"}}))
    .build()
)
good("react", reaction)
listed = im.message_reaction.list(
    ListMessageReactionRequest.builder().message_id(text.data.message_id).user_id_type("open_id").build()
)
good("reactions", listed)
equal(
    "reactions: which and whose",
    [(r.reaction_id, r.reaction_type.emoji_type, r.operator.operator_type) for r in listed.data.items],
    [(reaction.data.reaction_id, "THUMBSUP", "app")],
)
good(
    "take the reaction back",
    im.message_reaction.delete(
        DeleteMessageReactionRequest.builder()
        .message_id(text.data.message_id)
        .reaction_id(reaction.data.reaction_id)
        .build()
    ),
)
pin = im.pin.create(
    CreatePinRequest.builder().request_body(CreatePinRequestBody({"message_id": text.data.message_id})).build()
)
good("pin", pin)
pins = im.pin.list(ListPinRequest.builder().chat_id(chat).build())
equal("pins", [p.message_id for p in pins.data.items], [text.data.message_id])
good("unpin", im.pin.delete(DeletePinRequest.builder().message_id(text.data.message_id).build()))
urgent = im.message.urgent_app(
    UrgentAppMessageRequest.builder()
    .message_id(text.data.message_id)
    .user_id_type("open_id")
    .request_body(UrgentReceivers({"user_id_list": [members[1], "ou_00000000000000000000000000000000"]}))
    .build()
)
good("buzz", urgent)
equal("buzz: who is not in the chat", urgent.data.invalid_user_id_list, ["ou_00000000000000000000000000000000"])
good("recall", im.message.delete(DeleteMessageRequest.builder().message_id(text.data.message_id).build()))
check("people do not see it any more", "改过的早安" not in shown(chat, viewer))

# The calendar.
calendar = client.calendar.v4
made = calendar.calendar.create(
    CreateCalendarRequest.builder().request_body(Calendar({"summary": "活动", "permissions": "show_only_free_busy"})).build()
)
good("calendar", made)
calendar_id = made.data.calendar.calendar_id
event = calendar.calendar_event.create(
    CreateCalendarEventRequest.builder()
    .calendar_id(calendar_id)
    .idempotency_key(uuid.uuid4().hex)
    .user_id_type("open_id")
    .request_body(
        CalendarEvent(
            {
                "summary": "分享会",
                "start_time": {"timestamp": "1796000000", "timezone": "Asia/Shanghai"},
                "end_time": {"timestamp": "1796003600", "timezone": "Asia/Shanghai"},
                "vchat": {"vc_type": "no_meeting"},
            }
        )
    )
    .build()
)
good("calendar entry", event)
invited = calendar.calendar_event_attendee.create(
    CreateCalendarEventAttendeeRequest.builder()
    .calendar_id(calendar_id)
    .event_id(event.data.event.event_id)
    .user_id_type("open_id")
    .request_body(
        CreateCalendarEventAttendeeRequestBody({"attendees": [{"type": "user", "user_id": members[0]}]})
    )
    .build()
)
good("attendees", invited)

good("disband", im.chat.delete(DeleteChatRequest.builder().chat_id(chat).build()))
equal("it is gone", [c["disbanded"] for c in sim.chats() if c["id"] == chat], [True])

# Nothing was refused but what was meant to be.
meant = ("10015", "230002", "230001", "230099", "230017", "40011")
equal("no other complaint", [c for c in sim.complaints() if not any(f": {m} " in c for m in meant)], [])
done()
