// The official Node Stream SDK against the simulated gateway: opening, events, robot messages, cards,
// acknowledgements, what is pushed again, heartbeats, announced and sudden ends.
import { Sim, app, check, done, equal, sdk, until } from '../lib.mjs';

const me = app('dingtalk');
const sim = new Sim(me.base_url);
// It has no option for the address.
const constants = sdk('dingtalk-stream/dist/constants.cjs');
constants.GATEWAY_URL = `${me.base_url}/v1.0/gateway/connections/open`;
constants.GET_TOKEN_URL = `${me.base_url}/gettoken`;
const { DWClient, EventAck } = sdk('dingtalk-stream/dist/index.cjs');
const { TOPIC_CARD, TOPIC_ROBOT } = constants;
for (const say of ['info', 'warn']) console[say] = () => {};
delete process.env.http_proxy;
delete process.env.HTTP_PROXY;

const APP = (await sim.info()).apps[0].id;
const links = async () => (await sim.info()).links[APP] ?? 0;
const opened = async () => Object.fromEntries(await sim.call('calls'))['/v1.0/gateway/connections/open'] ?? 0;

// Opening.
const wrong = new DWClient({ clientId: me.client_id, clientSecret: 'wrong' });
const refused = await wrong.getEndpoint().catch((e) => e.response?.status);
equal('a wrong secret opens nothing', refused, 401);
const before = (await sim.complaints()).length;
equal('and that is a complaint', before, 1);

const events = [];
const messages = [];
const presses = [];
let answer = () => ({ status: EventAck.SUCCESS, message: 'OK' });
let silent = false;
const client = new DWClient({ clientId: me.client_id, clientSecret: me.client_secret });
equal('the old API issues it a token', typeof (await client.getAccessToken()), 'string');
client.registerAllEventListener((event) => {
  events.push(event);
  return answer(event);
});
client.registerCallbackListener(TOPIC_ROBOT, (message) => {
  messages.push(message);
  if (!silent) client.socketCallBackResponse(message.headers.messageId, null);
});
let press = {};
client.registerCallbackListener(TOPIC_CARD, (message) => {
  presses.push(message);
  client.socketCallBackResponse(message.headers.messageId, press);
});
await client.connect();
// Everything that the gateway sends.
const pings = [];
const listen = () => client.socket.on('message', (data) => {
  const frame = JSON.parse(data);
  if (frame.type === 'SYSTEM') pings.push(frame);
});
listen();
check('the client connects', await until(async () => client.connected && (await links()) === 1));
const started = Date.now();

const people = (await sim.people()).filter((p) => p.active).map((p) => p.id);
const [owner, friend, guest] = people;
const counts = (d) => [d.callbacks_ok, d.callbacks_failed];
async function acted(name, wanted, verb) {
  const start = events.length;
  const did = await sim.act(verb);
  equal(`${name}: acknowledged`, counts(did), [wanted.length, 0]);
  equal(`${name}: events`, events.slice(start).map((e) => e.headers.eventType), wanted);
  return [did, ...events.slice(start).map((e) => JSON.parse(e.data))];
}

// Events.
const [made, install] = await acted('a group with the bot', ['im_cool_app_install'],
  { do: 'create_chat', name: '联调群', owner, members: [owner, friend], apps: [APP] });
const { chat } = made;
equal('the robot is in the group', [install.openConversationId, install.robotCode], [chat, me.robot_code]);
equal('the envelope', [events[0].headers.eventCorpId, events[0].headers.topic, events[0].specVersion],
  [me.corp_id, '*', '1.0']);
check('header values are texts', Object.values(events[0].headers).every((v) => typeof v === 'string'));
const [, joined] = await acted('joining', ['chat_add_member'], { do: 'join', person: guest, chat, by: owner });
equal('who joined', [joined.userId, joined.operator], [[guest], owner]);
const [, left] = await acted('leaving', ['chat_quit'], { do: 'leave', person: guest, chat });
equal('who left', left.operator, guest);
const [, renamed] = await acted('renaming', ['chat_update_title'], { do: 'rename_chat', chat, name: '新名', by: owner });
equal('the new name', renamed.title, '新名');
const someone = (await sim.people())[0];
const [, hired] = await acted('a new colleague', ['user_add_org'],
  { do: 'hire', person: { ...someone, id: 'u_interop', name: '新人', active: true } });
equal('who came', hired.userId, ['u_interop']);
const [, gone] = await acted('a colleague who leaves', ['user_leave_org'], { do: 'quit', person: 'u_interop' });
equal('who went', gone.userId, ['u_interop']);

// Robot messages.
let said = await sim.act({ do: 'say', person: owner, chat: { chat }, text: `<@bot> 问 <@${friend}>` });
equal('a message is acknowledged', counts(said), [1, 0]);
let body = JSON.parse(messages.at(-1).data);
equal('the message', [body.msgId, body.conversationId, body.conversationType, body.senderStaffId, body.msgtype],
  [said.message, chat, '2', owner, 'text']);
check('the mention of the robot is taken out', body.text.content.startsWith(' 问 @'), body.text.content);
equal('who is mentioned', body.atUsers.map((u) => u.staffId ?? ''), ['', friend]);
const reply = await fetch(body.sessionWebhook, {
  method: 'POST',
  headers: { 'content-type': 'application/json', 'x-acs-dingtalk-access-token': client.getConfig().access_token },
  body: JSON.stringify({ at: { atUserIds: [body.senderStaffId], isAtAll: false }, text: { content: '收到' }, msgtype: 'text' }),
});
equal("the reply of the SDK's example is taken", (await reply.json()).errcode, 0);
check('and shown', JSON.stringify(await sim.screen(chat, friend)).includes('收到'));
said = await sim.act({ do: 'say', person: friend, chat: { direct_with: APP }, text: '私聊' });
body = JSON.parse(messages.at(-1).data);
equal('a private message', [counts(said), body.conversationType, body.text.content], [[1, 0], '1', '私聊']);

// A card made by the API with callbackType STREAM.
const made2 = await fetch(`${me.base_url}/v1.0/oauth2/accessToken`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ appKey: me.client_id, appSecret: me.client_secret }),
});
const token = (await made2.json()).accessToken;
const created = await fetch(`${me.base_url}/v1.0/card/instances/createAndDeliver`, {
  method: 'POST',
  headers: { 'content-type': 'application/json', 'x-acs-dingtalk-access-token': token },
  body: JSON.stringify({
    cardTemplateId: me.card_template_id,
    outTrackId: 'interop-node-1',
    callbackType: 'STREAM',
    cardData: { cardParamMap: { title: '投票', button1: '赞成', action1: 'yes' } },
    openSpaceId: `dtv1.card//IM_GROUP.${chat}`,
    imGroupOpenSpaceModel: { supportForward: true },
    imGroupOpenDeliverModel: { robotCode: me.robot_code },
    userIdType: 1,
  }),
});
equal('the card is delivered', (await created.json()).result.deliverResults[0].success, true);
const shown = (await sim.screen(chat, owner)).filter((i) => i.bot).at(-1).id;
press = { cardUpdateOptions: { updatePrivateDataByKey: true }, userPrivateData: { cardParamMap: { title: '你投了票' } } };
const clicked = await sim.act({ do: 'click', person: owner, message: shown, action: 'yes' });
equal('the press is acknowledged', counts(clicked), [1, 0]);
body = JSON.parse(presses.at(-1).data);
equal('who pressed', [body.userId, body.outTrackId, body.spaceId], [owner, 'interop-node-1', chat]);
equal('the third level of JSON', JSON.parse(body.content).cardPrivateData.params, { action: 'yes' });
check('the answer changes one view', JSON.stringify(await sim.screen(chat, owner)).includes('你投了票'));
check('and not the other', !JSON.stringify(await sim.screen(chat, friend)).includes('你投了票'));

// LATER, and no acknowledgement of a message.
answer = () => ({ status: EventAck.LATER, message: 'later' });
const later = await sim.act({ do: 'rename_chat', chat, name: '稍后', by: owner });
equal('LATER is not taken', counts(later), [0, 1]);
const first = events.at(-1);
answer = () => ({ status: EventAck.SUCCESS });
silent = true;
said = await sim.act({ do: 'say', person: owner, chat: { chat }, text: '<@bot> 不答复' });
equal('a message without acknowledgement is not taken', counts(said), [0, 1]);
silent = false;
const again = await until(() => events.find((e) => e !== first && e.headers.eventId === first.headers.eventId), 25000);
check('the event comes again', again);
equal('with the same content', again?.data, first.data);
check('and a new messageId', again && again.headers.messageId !== first.headers.messageId);
check('the message comes again', await until(() =>
  messages.filter((m) => JSON.parse(m.data).msgId === said.message).length >= 2, 25000));

// Heartbeats are answered by the SDK with all headers.
check('the gateway sends heartbeats',
  await until(() => pings.some((p) => p.headers.topic === 'ping'), Math.max(1000, 30000 - (Date.now() - started))));

// An announced end: this SDK waits for the socket to close, ten seconds later, and connects after one more.
const count = await opened();
await sim.fault({ times: 1, kind: { kind: 'announce_link' } });
const begin = Date.now();
check('the end is announced', await until(() => pings.some((p) => p.headers.topic === 'disconnect')));
equal('with its reason', JSON.parse(pings.at(-1).data).reason, 'persistent connection is timeout');
const lost = await sim.act({ do: 'rename_chat', chat, name: '断线中', by: owner });
equal('nothing is pushed to it any more', counts(lost), [0, 1]);
check('a new connection is opened', await until(async () => (await opened()) === count + 1 && (await links()) === 1, 30000));
const took = Date.now() - begin;
check('after the silence', took > 9500 && took < 25000, `${took} ms`);
// At the second step of the ladder: at the first it was not back yet.
check('what came between comes again', await until(() =>
  events.some((e) => e.headers.eventType === 'chat_update_title' && JSON.parse(e.data).title === '断线中'), 50000));

// A sudden one.
await sim.fault({ times: 1, kind: { kind: 'drop_link' } });
check('a dropped connection comes back', await until(async () => (await opened()) === count + 2 && (await links()) === 1));
said = await sim.act({ do: 'say', person: owner, chat: { chat }, text: '<@bot> 回来了' });
equal('and brings messages', [counts(said), JSON.parse(messages.at(-1).data).text.content.trim()], [[1, 0], '回来了']);

equal('nothing the platform would have refused', (await sim.complaints()).slice(before), []);
done();
