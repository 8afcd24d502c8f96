// The official Node SDK's WebSocket clients on the simulated Feishu's long connection: whole and split
// events, cards, acknowledgements, two clients that share, reconnecting.
import { randomUUID } from 'node:crypto';
import { app, check, done, equal, sdk, Sim, sleep, until } from '../lib.mjs';

const lark = sdk('@larksuiteoapi/node-sdk');
const me = app('feishu');
const sim = new Sim(me.base_url);
const level = { loggerLevel: lark.LoggerLevel.fatal };

const failNext = [];
const dispatcher = (heard) =>
  new lark.EventDispatcher({ ...level }).register({
    'im.message.receive_v1': (data) => {
      heard.push(data);
      if (failNext.pop()) throw new Error('this handler fails on purpose');
    },
    'card.action.trigger': (data) => {
      heard.push(data);
      return { toast: { type: 'success', content: '经长连接收到' } };
    },
  });
const start = (heard, appSecret = me.app_secret, more = {}) => {
  const client = new lark.WSClient({ appId: me.app_id, appSecret, domain: me.base_url, ...level, ...more });
  client.start({ eventDispatcher: dispatcher(heard) });
  return client;
};
const connections = async () => (await sim.call('stream')).find((a) => a.app === me.app_id).connections;
const opened = async () => Object.fromEntries(await sim.call('calls'))['GET /ws/v2'] ?? 0;
const manner = (change) =>
  fetch(`${me.base_url}/_sim/stream`, { method: 'POST', body: JSON.stringify({ app: me.app_id, ...change }) });
const fault = (kind) => sim.fault({ path: me.app_id, times: 1, kind: { kind } });

// A refusal is understood as final.
const errors = [];
const refused = start([], 'wrong', { onError: (error) => errors.push(error) });
check('a wrong secret stops the client', await until(() => errors.length === 1, 5000), errors);
refused.close({ force: true });
equal('and there is no connection', await connections(), 0);

const first = [];
const one = start(first);
check('it connects', await until(async () => (await connections()) === 1));
const group = (await sim.chats()).find((c) => c.group && c.apps.includes(me.app_id) && c.members.length > 1);
const chat = group.id;
const [speaker, other] = group.members;
const say = (text) => sim.act({ do: 'say', person: speaker, chat: { chat }, text });
const taken = (did) => [did.callbacks_ok, did.callbacks_failed];
const texts = (heard) => heard.splice(0).map((e) => JSON.parse(e.message.content).text);

const did = await say('经长连接');
equal('an event is acknowledged', taken(did), [1, 0]);
equal('its message and app', [first[0]?.message.message_id, first[0]?.app_id], [did.message, me.app_id]);
equal('its text', texts(first), ['经长连接']);
for (const part_bytes of [2000, 300, 77]) {
  await manner({ part_bytes });
  const text = `${part_bytes}：${'胡同里的猫🐈'.repeat(60)}`;
  equal(`split at ${part_bytes} bytes: acknowledged once`, taken(await say(text)), [1, 0]);
  equal(`split at ${part_bytes} bytes: joined`, texts(first), [text]);
}

// A card.
const rest = new lark.Client({ appId: me.app_id, appSecret: me.app_secret, domain: me.base_url, ...level });
const card = {
  schema: '2.0',
  body: {
    elements: [
      {
        tag: 'button', element_id: 'ack', text: { tag: 'plain_text', content: '知道了' },
        behaviors: [{ type: 'callback', value: { act: 'ack' } }],
      },
    ],
  },
};
const sent = await rest.im.v1.message.create({
  params: { receive_id_type: 'chat_id' },
  data: { receive_id: chat, msg_type: 'interactive', content: JSON.stringify(card), uuid: randomUUID() },
});
const message = sent.data.message_id;
const item = async () => (await sim.screen(chat, other)).find((i) => i.id === message);
const action = (part) => {
  if (part === null || typeof part !== 'object') return undefined;
  if (part.action) return part.action;
  for (const value of Object.values(part)) {
    const found = action(value);
    if (found) return found;
  }
  return undefined;
};
const button = action((await item()).parts);
const press = () => sim.act({ do: 'click', person: other, message, action: button });
equal('a split click is answered', taken(await press()), [1, 0]);
equal('what was pressed', [first[0]?.action.value, first[0]?.context.open_message_id], [{ act: 'ack' }, message]);
check("the person sees the SDK's toast", JSON.stringify(await item()).includes('经长连接收到'));
first.length = 0;
await manner({ part_bytes: 0 });
equal('a whole click is answered', taken(await press()), [1, 0]);
first.length = 0;
// The SDK drops frames of type `card` without a word (feishu.md 3.5): the person sees a failure.
await manner({ card_frames: true });
equal('a click in a card frame gets no answer from this SDK', [taken(await press()), first.length], [[0, 1], 0]);
await manner({ card_frames: false });

// No handler: the SDK answers 200 with a text that a card could not use.
equal('an event without a handler is taken', taken(await sim.act({ do: 'react', person: other, message, emoji: 'THUMBSUP' })), [1, 0]);
failNext.push(true);
equal('a failing handler', taken(await say('第一次会失败')), [0, 1]);
check('is called again', await until(() => first.length === 2, 25000), first.length);
equal('with the same event', [new Set(first.map((e) => e.event_id)).size, texts(first)], [1, ['第一次会失败', '第一次会失败']]);

// Two clients share; no event goes to both.
const second = [];
const two = start(second);
check('a second connection', await until(async () => (await connections()) === 2));
const wanted = [];
for (let n = 0; n < 40; n += 1) {
  wanted.push(`第${n}句`);
  equal(`sentence ${n} is acknowledged`, taken(await say(`第${n}句`)), [1, 0]);
}
check('both get some', first.length > 0 && second.length > 0, `${first.length} ${second.length}`);
equal('each sentence goes to one of them', [...texts(first), ...texts(second)].sort(), wanted.sort());
two.close({ force: true });
check('the second is gone', await until(async () => (await connections()) === 1));

// Cut without a word, and closed in good order: the client comes back each time.
for (const kind of ['drop_link', 'announce_link']) {
  const before = await opened();
  await fault(kind);
  const back = await until(async () => (await opened()) > before && (await connections()) === 1, 20000);
  check(`${kind}: it is back`, back);
  await sleep(100);
  equal(`${kind}: and hears`, [taken(await say(kind)), texts(first)], [[1, 0], [kind]]);
}

one.close({ force: true });
const meant = ['POST /callback/ws/endpoint: 514', 'card.action.trigger: 200341'];
equal('no other complaint', (await sim.complaints()).filter((c) => !meant.some((m) => c.startsWith(m))), []);
done();
