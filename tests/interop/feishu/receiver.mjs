// What the simulated Feishu pushes over HTTP, received by the official Node SDK: the address check,
// events, a card click, and callbacks that somebody has tampered with.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { app, check, done, equal, sdk, Sim } from '../lib.mjs';

const lark = sdk('@larksuiteoapi/node-sdk');
const me = app('feishu');
const sim = new Sim(me.base_url);
const heard = [];
const hear = (data) => void heard.push(data);
const kinds = [
  'im.message.receive_v1', 'im.message.reaction.created_v1', 'im.message.reaction.deleted_v1', 'im.message.recalled_v1',
  'im.message.message_read_v1', 'im.chat.member.user.added_v1', 'im.chat.member.user.deleted_v1',
  'im.chat.member.bot.added_v1', 'im.chat.member.bot.deleted_v1', 'im.chat.updated_v1', 'im.chat.disbanded_v1',
  'im.chat.access_event.bot_p2p_chat_entered_v1', 'contact.user.created_v3', 'contact.user.updated_v3',
  'contact.user.deleted_v3',
];
const make = (encryptKey) =>
  new lark.EventDispatcher({ encryptKey, verificationToken: me.verification_token, loggerLevel: lark.LoggerLevel.fatal })
    .register(Object.fromEntries(kinds.map((kind) => [kind, hear])))
    .register({
      'card.action.trigger': (data) => {
        heard.push(data);
        return { toast: { type: 'success', content: '收到了' } };
      },
    });
const dispatcher = make(me.encrypt_key);

// The SDK's own server part; what it saw is kept for tampering.
const seen = [];
const adapted = lark.adaptDefault('/feishu', dispatcher, { autoChallenge: true });
const server = createServer((req, res) => {
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => seen.push({ headers: { ...req.headers }, body: Buffer.concat(chunks).toString() }));
  adapted(req, res);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}/feishu`;
await sim.subscribe(me.app_id, url).then(
  () => check('address check', true),
  (error) => check('address check', false, error),
);

const people = (await sim.people()).filter((p) => p.active);
const [one, two, three] = people;
const act = async (name, kind, verb) => {
  heard.length = 0;
  const did = await sim.act(verb);
  check(`${name}: accepted`, did.callbacks_failed === 0 && did.callbacks_ok >= 1, JSON.stringify(did));
  const fitting = heard.filter((e) => e.event_type === kind);
  equal(`${name}: one ${kind}`, fitting.length, 1);
  equal(`${name}: from this app`, fitting[0]?.app_id ?? fitting[0]?.header?.app_id, me.app_id);
  return [fitting[0] ?? {}, did];
};

let [event, did] = await act('group with the bot', 'im.chat.member.bot.added_v1', {
  do: 'create_chat', name: '互通', owner: one.id, members: [two.id], apps: [me.app_id],
});
const chat = did.chat;
equal('group: id', event.chat_id, chat);
[event] = await act('join', 'im.chat.member.user.added_v1', { do: 'join', person: three.id, chat, by: one.id });
equal('join: who', event.users?.map((u) => u.user_id.user_id), [three.id]);
[event] = await act('leave', 'im.chat.member.user.deleted_v1', { do: 'leave', person: three.id, chat });
equal('leave: who', event.users?.map((u) => u.user_id.user_id), [three.id]);
[event] = await act('rename', 'im.chat.updated_v1', { do: 'rename_chat', chat, name: '互通二', by: one.id });
equal('rename: after', event.after_change?.name, '互通二');
[event, did] = await act('message', 'im.message.receive_v1', {
  do: 'say', person: one.id, chat: { chat }, text: `<@bot> 感谢 <@${two.id}> \\ " 🎉`,
});
const message = did.message;
equal('message: ids', [event.message?.message_id, event.message?.chat_id], [message, chat]);
let text = JSON.parse(event.message.content).text;
for (const m of event.message.mentions) text = text.replace(m.key, `(${m.name})`);
equal('message: text', text, `(胡同) 感谢 (${two.name}) \\ " 🎉`);
[event] = await act('reaction', 'im.message.reaction.created_v1', { do: 'react', person: two.id, message, emoji: 'THUMBSUP' });
equal('reaction: what', [event.message_id, event.reaction_type?.emoji_type], [message, 'THUMBSUP']);
[event] = await act('reaction taken back', 'im.message.reaction.deleted_v1', {
  do: 'react', person: two.id, message, emoji: 'THUMBSUP', on: false,
});
equal('reaction taken back: which', event.reaction_type?.emoji_type, 'THUMBSUP');
[event] = await act('recall', 'im.message.recalled_v1', { do: 'recall', person: one.id, message });
equal('recall: which', event.message_id, message);
let direct;
[event, direct] = await act('private message', 'im.message.receive_v1', {
  do: 'say', person: two.id, chat: { direct_with: me.app_id }, text: '/帮助',
});
equal('private message: kind of chat', event.message?.chat_type, 'p2p');
[event] = await act('private chat opened', 'im.chat.access_event.bot_p2p_chat_entered_v1', {
  do: 'open_direct', person: two.id, app: me.app_id,
});
equal('private chat opened: which', event.chat_id, direct.chat);
const fresh = { ...three, id: 'u_interop', name: '新同事', employee_no: 'E9001', email: 'new@hutong.example', mobile: '+8613099999999' };
[event] = await act('hired', 'contact.user.created_v3', { do: 'hire', person: fresh });
equal('hired: who', event.object?.user_id, 'u_interop');
[event] = await act('transferred', 'contact.user.updated_v3', { do: 'transfer', person: 'u_interop', department: one.department });
equal('transferred: who', event.object?.user_id, 'u_interop');
[event] = await act('left the company', 'contact.user.deleted_v3', { do: 'quit', person: 'u_interop' });
equal('left the company: who', event.object?.user_id, 'u_interop');

// A card and a click.
const client = new lark.Client({ appId: me.app_id, appSecret: me.app_secret, domain: me.base_url, loggerLevel: lark.LoggerLevel.fatal });
const send = async (to, msg_type, content) =>
  (await client.im.v1.message.create({
    params: { receive_id_type: 'chat_id' },
    data: { receive_id: to, msg_type, content: JSON.stringify(content), uuid: randomUUID() },
  })).data.message_id;
const shown = await send(chat, 'interactive', {
  schema: '2.0',
  body: {
    elements: [
      {
        tag: 'button', element_id: 'ack', text: { tag: 'plain_text', content: '知道了' },
        behaviors: [{ type: 'callback', value: { act: 'ack', id: '42' } }],
      },
    ],
  },
});
const item = async () => (await sim.screen(chat, two.id)).find((i) => i.id === shown);
const action = (part) => {
  if (part === null || typeof part !== 'object') return undefined;
  if (part.action) return part.action;
  for (const value of Object.values(part)) {
    const found = action(value);
    if (found) return found;
  }
  return undefined;
};
[event] = await act('click', 'card.action.trigger', { do: 'click', person: two.id, message: shown, action: action((await item()).parts) });
equal('click: value and place', [event.action?.value, event.context?.open_message_id], [{ act: 'ack', id: '42' }, shown]);
check("click: the person sees the SDK's answer", JSON.stringify(await item()).includes('收到了'));
const answered = await send(direct.chat, 'text', { text: '在' });
[event] = await act('read', 'im.message.message_read_v1', { do: 'read', person: two.id, message: answered });
equal('read: what', event.message_id_list, [answered]);

// Tampered with. This SDK refuses by not calling the handler.
await sim.act({ do: 'say', person: one.id, chat: { chat }, text: '原文' });
const { headers, body } = seen.at(-1);
const feed = async (to, headers, body) => {
  heard.length = 0;
  await to.invoke(Object.assign(Object.create({ headers }), JSON.parse(body))).catch(() => {});
  return heard.length;
};
equal('the original is taken', await feed(dispatcher, headers, body), 1);
const bytes = Buffer.from(JSON.parse(body).encrypt, 'base64');
bytes[0] ^= 1;
const cases = {
  'one bit of the vector': [dispatcher, headers, JSON.stringify({ encrypt: bytes.toString('base64') })],
  'another signature': [dispatcher, { ...headers, 'x-lark-signature': '0'.repeat(64) }, body],
  'another time': [dispatcher, { ...headers, 'x-lark-request-timestamp': '1' }, body],
  'another nonce': [dispatcher, { ...headers, 'x-lark-request-nonce': 'x' }, body],
  'another key': [make('another-key'), headers, body],
  'one member more': [dispatcher, headers, JSON.stringify({ ...JSON.parse(body), more: 1 })],
};
for (const [name, [to, h, b]] of Object.entries(cases)) equal(`refused: ${name}`, await feed(to, h, b), 0);
[event] = await act('bot removed', 'im.chat.member.bot.deleted_v1', { do: 'remove_bot', chat, app: me.app_id, by: one.id });
equal('bot removed: from where', event.chat_id, chat);
const other = await sim.act({ do: 'create_chat', name: '另一个', owner: one.id, members: [two.id], apps: [me.app_id] });
[event] = await act('disbanded', 'im.chat.disbanded_v1', { do: 'disband', chat: other.chat, by: one.id });
equal('disbanded: which', event.chat_id, other.chat);

equal('no complaint', await sim.complaints(), []);
done();
