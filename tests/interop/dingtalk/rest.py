"""The official Python client of the new API against the simulated platform: token, sends to groups and
people, readers, recalls, cards, scene groups, DING, files, directory reads, and refusals as typed errors."""

import json
import os

os.environ["NO_PROXY"] = "*"

from alibabacloud_dingtalk.card_1_0.client import Client as Card
from alibabacloud_dingtalk.card_1_0 import models as card
from alibabacloud_dingtalk.contact_1_0.client import Client as Contact
from alibabacloud_dingtalk.contact_1_0 import models as contact
from alibabacloud_dingtalk.im_1_0.client import Client as Im
from alibabacloud_dingtalk.im_1_0 import models as im
from alibabacloud_dingtalk.oauth2_1_0.client import Client as Oauth
from alibabacloud_dingtalk.oauth2_1_0 import models as oauth
from alibabacloud_dingtalk.robot_1_0.client import Client as Robot
from alibabacloud_dingtalk.robot_1_0 import models as robot
from alibabacloud_tea_openapi import models as open_api
from alibabacloud_tea_util import models as util

from lib import Receiver, Sim, app, check, done, equal

me = app("dingtalk")
sim = Sim(me["base_url"])
APP = sim.info()["apps"][0]["id"]
config = open_api.Config(protocol="http", endpoint=me["base_url"].removeprefix("http://"), region_id="central")
runtime = util.RuntimeOptions(autoretry=False)
CODE = me["robot_code"]


def error(call):
    """The error that the client raises: code and status."""
    try:
        call()
    except Exception as e:  # the client's own class differs between its versions
        found = getattr(e, "data", None) or {}
        return getattr(e, "code", None), found.get("statusCode") or getattr(e, "statusCode", None)
    return None


# Token.
def token(secret):
    return Oauth(config).get_access_token(oauth.GetAccessTokenRequest(app_key=me["client_id"], app_secret=secret)).body


first = token(me["client_secret"])
check("a token", first.access_token and first.expire_in == 7200, first)
equal("the same one again while it is valid", token(me["client_secret"]).access_token, first.access_token)
refused = error(lambda: token("wrong"))
check("a wrong secret is refused", refused and "invalid" in refused[0].lower(), refused)
start = len(sim.complaints())


def headers(kind, value=None):
    return kind(x_acs_dingtalk_access_token=value or first.access_token)


people = [p["id"] for p in sim.people() if p["active"]]
owner, friend, guest = people[:3]
chat = sim.act(do="create_chat", name="联调群", owner=owner, members=[owner, friend], apps=[APP])["chat"]


def shown(place, viewer):
    return json.dumps(sim.screen(place, viewer), ensure_ascii=False)


def newest(place, viewer):
    return [i for i in sim.screen(place, viewer) if i["bot"]][-1]


# Robot sends.
bots = Robot(config)


def to_group(place, param, key="sampleText", value=None):
    request = robot.OrgGroupSendRequest(
        robot_code=CODE, open_conversation_id=place, cool_app_code=me.get("cool_app_code"), msg_key=key, msg_param=json.dumps(param, ensure_ascii=False))
    return bots.org_group_send_with_options(request, headers(robot.OrgGroupSendHeaders, value), runtime).body


query = to_group(chat, {"content": "大家好"}).process_query_key
check("a message to a group", query and "大家好" in shown(chat, friend), query)
to_group(chat, {"title": "周报", "text": "**重点**"}, "sampleMarkdown")
check("markdown to a group", "重点" in shown(chat, friend))
equal("a group that is none", error(lambda: to_group("cidNobody", {"content": "x"}))[0], sim.complaints()[-1].split()[2])
refused = error(lambda: to_group(chat, {"content": "x"}, value="made-up"))
check("a token that was never issued", refused and refused[0] == "InvalidAuthentication", refused)
reader = [i for i in sim.screen(chat, friend) if i["bot"]][0]["id"]
sim.act(do="read", person=friend, message=reader)
read = bots.org_group_query_with_options(
    robot.OrgGroupQueryRequest(robot_code=CODE, open_conversation_id=chat, process_query_key=query),
    headers(robot.OrgGroupQueryHeaders), runtime).body
equal("who has read it", read.read_user_ids, [friend])
equal("it was sent", read.send_status, "SUCCESS")
recalled = bots.org_group_recall_with_options(
    robot.OrgGroupRecallRequest(robot_code=CODE, open_conversation_id=chat, process_query_keys=[query, "nothing"]),
    headers(robot.OrgGroupRecallHeaders), runtime).body
equal("recalled", recalled.success_result, [query])
check("what is not there is named", "nothing" in (recalled.failed_result or {}), recalled.failed_result)
check("and gone", "大家好" not in shown(chat, friend))


def to_people(ids):
    request = robot.BatchSendOTORequest(
        robot_code=CODE, user_ids=ids, msg_key="sampleText", msg_param=json.dumps({"content": "你好"}))
    return bots.batch_send_otowith_options(request, headers(robot.BatchSendOTOHeaders), runtime).body


sent = to_people([friend, "nobody"])
equal("who cannot be reached is named", sent.invalid_staff_id_list, ["nobody"])
private = next(c["id"] for c in sim.chats() if c["person"] == friend)
check("a message to a person", "你好" in shown(private, friend))
sim.act(do="read", person=friend, message=newest(private, friend)["id"])
status = bots.batch_otoquery_with_options(
    robot.BatchOTOQueryRequest(robot_code=CODE, process_query_key=sent.process_query_key),
    headers(robot.BatchOTOQueryHeaders), runtime).body
equal("one person's reading", [(r.user_id, r.read_status) for r in status.message_read_info_list], [(friend, "READ")])
recalled = bots.batch_recall_otowith_options(
    robot.BatchRecallOTORequest(robot_code=CODE, process_query_keys=[sent.process_query_key]),
    headers(robot.BatchRecallOTOHeaders), runtime).body
equal("recalled from a person", recalled.success_result, [sent.process_query_key])
check("more than twenty at once are refused", error(lambda: to_people([f"u{n}" for n in range(21)])))

# DING.
ding = bots.robot_send_ding_with_options(
    robot.RobotSendDingRequest(robot_code=CODE, remind_type=1, receiver_user_id_list=[owner], content="急"),
    headers(robot.RobotSendDingHeaders), runtime).body
check("a DING", ding.open_ding_id, ding)
again = bots.robot_recall_ding_with_options(
    robot.RobotRecallDingRequest(robot_code=CODE, open_ding_id=ding.open_ding_id),
    headers(robot.RobotRecallDingHeaders), runtime).body
equal("a DING is taken back", again.open_ding_id, ding.open_ding_id)

# Cards. Presses of the first come by HTTP, to an address that the client registers.
cards = Card(config)
pressed = Receiver(lambda *_: (200, "application/json", json.dumps(
    {"cardUpdateOptions": {"updatePrivateDataByKey": True},
     "userPrivateData": {"cardParamMap": {"title": "你投了票"}}}).encode()))
registered = cards.register_callback_with_options(
    card.RegisterCallbackRequest(callback_route_key="interop", callback_url=f"{pressed.url}/card",
                                 api_secret="interop-secret", force_update=True),
    headers(card.RegisterCallbackHeaders), runtime).body
equal("the address is registered", registered.result.callback_url, f"{pressed.url}/card")
params = {"title": "投票", "button1": "赞成", "action1": "yes"}


def create(track, space, kind="STREAM", route=None, template=None):
    return cards.create_and_deliver_with_options(
        card.CreateAndDeliverRequest(
            card_template_id=template or me["card_template_id"], out_track_id=track, callback_type=kind,
            callback_route_key=route, user_id_type=1, open_space_id=space,
            card_data=card.CreateAndDeliverRequestCardData(card_param_map=params),
            im_group_open_space_model=card.CreateAndDeliverRequestImGroupOpenSpaceModel(support_forward=True),
            im_group_open_deliver_model=card.CreateAndDeliverRequestImGroupOpenDeliverModel(
                robot_code=CODE, at_user_ids={friend: "朋友"}),
            im_robot_open_space_model=card.CreateAndDeliverRequestImRobotOpenSpaceModel(support_forward=True),
            im_robot_open_deliver_model=card.CreateAndDeliverRequestImRobotOpenDeliverModel(
                robot_code=CODE, space_type="IM_ROBOT")),
        headers(card.CreateAndDeliverHeaders), runtime).body


made = create("track-1", f"dtv1.card//IM_GROUP.{chat}", "HTTP", "interop")
equal("a card in a group", (made.result.out_track_id, [d.success for d in made.result.deliver_results]),
      ("track-1", [True]))
check("with its carrier", made.result.deliver_results[0].carrier_id)
press = sim.act(do="click", person=owner, message=newest(chat, owner)["id"], action="yes")
equal("its press is answered", (press["callbacks_ok"], len(pressed.seen)), (1, 1))
_, _, seen, body = pressed.seen[0]
seen = {k.lower(): v for k, v in seen.items()}
check("and signed", seen.get("x-ddpaas-signature") and seen.get("x-ddpaas-signature-timestamp"), seen)
equal("the press", (json.loads(body)["userId"], json.loads(body)["outTrackId"]), (owner, "track-1"))
check("the answer changes one view", "你投了票" in shown(chat, owner) and "你投了票" not in shown(chat, friend))
made = create("track-2", f"dtv1.card//IM_ROBOT.{friend}")
equal("a card to a person", made.result.deliver_results[0].success, True)
check("it is shown", "赞成" in shown(private, friend))
check("the same id twice is refused", error(lambda: create("track-2", f"dtv1.card//IM_ROBOT.{friend}")))
check("a template that is none is refused", error(lambda: create("track-3", f"dtv1.card//IM_ROBOT.{friend}", template="x")))


def update(data, by_key=None):
    options = None if by_key is None else card.UpdateCardRequestCardUpdateOptions(update_card_data_by_key=by_key)
    return cards.update_card_with_options(
        card.UpdateCardRequest(out_track_id="track-2", user_id_type=1, card_update_options=options,
                               card_data=card.UpdateCardRequestCardData(card_param_map=data)),
        headers(card.UpdateCardHeaders), runtime).body


equal("a change by key", update({"title": "已结束"}, True).success, True)
check("keeps the rest", "已结束" in shown(private, friend) and "赞成" in shown(private, friend))
update({"title": "全换"})
check("a change without the option drops it", "全换" in shown(private, friend) and "赞成" not in shown(private, friend))

# Scene groups.
groups = Im(config)


def scene():
    return groups.create_scene_group_with_options(
        im.CreateSceneGroupRequest(title="新群", template_id=me["group_template_id"], owner_user_id=owner,
                                   user_ids=[owner, friend], uuid="interop-1"),
        headers(im.CreateSceneGroupHeaders), runtime).body.open_conversation_id


def members(place):
    return groups.batch_query_group_member_with_options(
        im.BatchQueryGroupMemberRequest(open_conversation_id=place, max_results=10,
                                        cool_app_code=me.get("cool_app_code")),
        headers(im.BatchQueryGroupMemberHeaders), runtime).body.member_user_ids


place = scene()
check("a group is made", place in [c["id"] for c in sim.chats()], place)
equal("once for one uuid", scene(), place)
equal("its members", sorted(members(place)), sorted([owner, friend]))
added = groups.add_scene_group_member_with_options(
    im.AddSceneGroupMemberRequest(open_conversation_id=place, user_ids=[guest]),
    headers(im.AddSceneGroupMemberHeaders), runtime).body
equal("somebody is added", (added.success, sorted(members(place))), (True, sorted([owner, friend, guest])))
removed = groups.remove_scene_group_member_with_options(
    im.RemoveSceneGroupMemberRequest(open_conversation_id=place, user_ids=[friend]),
    headers(im.RemoveSceneGroupMemberHeaders), runtime).body
equal("and somebody removed", (removed.success, sorted(members(place))), (True, sorted([owner, guest])))
groups.update_scene_group_with_options(
    im.UpdateSceneGroupRequest(open_conversation_id=place, title="改名", owner_user_id=guest),
    headers(im.UpdateSceneGroupHeaders), runtime)
info = groups.get_scene_group_info_with_options(
    im.GetSceneGroupInfoRequest(open_conversation_id=place, cool_app_code=me.get("cool_app_code")),
    headers(im.GetSceneGroupInfoHeaders), runtime).body
equal("name and owner are changed", (info.title, info.owner_user_id), ("改名", guest))
gone = groups.dsband_open_scene_group_with_options(
    im.DsbandOpenSceneGroupRequest(open_conversation_id=place),
    headers(im.DsbandOpenSceneGroupHeaders), runtime).body
equal("dissolved", (gone.success, [c["disbanded"] for c in sim.chats() if c["id"] == place]), (True, [True]))
check("a foreign group cannot be dissolved", error(lambda: groups.dsband_open_scene_group_with_options(
    im.DsbandOpenSceneGroupRequest(open_conversation_id=chat), headers(im.DsbandOpenSceneGroupHeaders), runtime)))

# The directory: search and one person. The whole of it is in the old API, which this client does not have.
directory = Contact(config)
name = sim.people()[0]["name"]
hits = directory.search_user_with_options(
    contact.SearchUserRequest(query_word=name, offset=0, size=10, full_match_field=1),
    headers(contact.SearchUserHeaders), runtime).body
equal("people by name", hits.list, sorted(p["id"] for p in sim.people() if p["name"] == name and p["active"]))
everyone, offset, pages = [], 0, 0
while True:
    hits = directory.search_user_with_options(
        contact.SearchUserRequest(query_word=name[0], offset=offset, size=2),
        headers(contact.SearchUserHeaders), runtime).body
    everyone += hits.list
    offset += len(hits.list)
    pages += 1
    if not hits.has_more or pages > 100:
        break
equal("page by page", (everyone, hits.total_count),
      (sorted(p["id"] for p in sim.people() if name[0] in p["name"] and p["active"]), len(everyone)))
import urllib.request  # noqa: E402 - only for the old API


def ask(path, body):
    request = urllib.request.Request(
        f"{me['oapi_url']}{path}?access_token={first.access_token}", data=json.dumps(body).encode(),
        headers={"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as reply:
        return json.load(reply)


top = ask("/topapi/v2/department/listsub", {"dept_id": 1})["result"]
hits = directory.search_department_with_options(
    contact.SearchDepartmentRequest(query_word=top[0]["name"], offset=0, size=10),
    headers(contact.SearchDepartmentHeaders), runtime).body
check("departments by name are those of the old API", top[0]["dept_id"] in hits.list, hits.list)
record = ask("/topapi/v2/user/get", {"userid": owner})["result"]
user = directory.get_user_with_options(record["unionid"], headers(contact.GetUserHeaders), runtime).body
equal("one person by union id, as the old API has him", (user.nick, user.union_id), (record["name"], record["unionid"]))
check("nobody by that union id", error(lambda: directory.get_user_with_options(
    "nobody", headers(contact.GetUserHeaders), runtime)))

# A revoked token, and what the gateway does under load.
sim.fault(times=1, kind={"kind": "revoke_tokens"})
refused = error(lambda: to_group(chat, {"content": "x"}))
check("a revoked token is refused", refused and refused[0] == "InvalidAuthentication", refused)
first = token(me["client_secret"])
sim.fault(path="/groupMessages/send", times=1, kind={"kind": "status", "status": 503})
check("a failing gateway raises", error(lambda: to_group(chat, {"content": "x"})) is not None)
sim.fault(path="/groupMessages/send", times=1,
          kind={"kind": "code", "code": 403, "text": "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"})
refused = error(lambda: to_group(chat, {"content": "x"}))
equal("a limit has its code", refused and refused[0], "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi")
check("and then it goes on", to_group(chat, {"content": "好了"}).process_query_key and "好了" in shown(chat, owner))
done()
