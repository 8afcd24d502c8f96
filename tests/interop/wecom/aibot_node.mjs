// npm @wecom/aibot-node-sdk on the simulated long connection: subscribe, messages, stream replies,
// welcome, cards and their update, pushes, uploads, heartbeat, limits, takeover.
import { createHash } from 'node:crypto';
import { app, check, done, equal, sdk, Sim, sleep, until } from '../lib.mjs';

const { WSClient, generateReqId } = sdk('@wecom/aibot-node-sdk');
const bot = app('wecom_aibot');
const sim = new Sim(bot.base_url);
const botId = (await sim.info()).apps.find((a) => a.kind === 'wecom_aibot').id;
const [one, two] = (await sim.people()).map((p) => p.id);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const stream = () => `stream_${Math.random().toString(16).slice(2)}`;

function connect(options = {}) {
  const client = new WSClient({
    botId: bot.bot_id,
    secret: bot.secret,
    wsUrl: bot.ws_url,
    reconnectInterval: 100,
    maxReconnectAttempts: 5,
    logger: quiet,
    ...options,
  });
  client.seen = [];
  client.gone = [];
  client.errors = [];
  for (const name of ['message', 'event']) client.on(name, (frame) => client.seen.push(frame));
  client.on('disconnected', (why) => client.gone.push(why));
  client.on('error', (error) => client.errors.push(error.message));
  client.on('authenticated', () => { client.ready = (client.ready ?? 0) + 1; });
  client.connect();
  return client;
}
const next = (client) => until(() => client.seen.shift());
const code = (promise) => promise.then(() => 0, (error) => error?.errcode ?? error?.code ?? String(error?.message ?? error));
const words = (item) => item.parts.map((p) => p.text ?? p.label ?? p.name ?? '').join('');
const say = async (chat, text) => {
  const result = await sim.act({ do: 'say', person: one, chat, text });
  equal(`«${text}» is pushed`, [result.callbacks_ok, result.callbacks_failed], [1, 0]);
  return result;
};
const last = async (chat) => (await sim.screen(chat, one)).at(-1);
const button = (task, title = '内容审核') => ({
  card_type: 'button_interaction',
  main_title: { title, desc: '来自 张三' },
  button_list: [{ text: '通过', style: 1, key: 'ok' }, { text: '退回', style: 2, key: 'no' }],
  task_id: task,
});

// Wrong credentials.
const wrong = connect({ secret: 'x'.repeat(43), maxAuthFailureAttempts: 1 });
check('wrong credentials are refused', await until(() => wrong.errors.some((e) => e.includes('853000'))), wrong.errors);
equal('and never accepted', wrong.ready, undefined);
wrong.disconnect();

const client = connect({ heartbeatInterval: 300 });
check('subscribed', await until(() => client.ready === 1));

// A message in a group, and a stream in three frames.
const group = (await sim.act({ do: 'create_chat', name: '接龙', owner: one, members: [two], apps: [botId] })).chat;
await sim.act({ do: 'say', person: one, chat: { chat: group }, text: '没有叫它' });
const asked = await say({ chat: group }, '<@bot> /points');
const frame = await next(client);
equal('it is a text message', [frame.cmd, frame.body.msgtype], ['aibot_msg_callback', 'text']);
check('with the mention in it', frame.body.text.content.startsWith('@') && frame.body.text.content.endsWith('/points'), frame.body.text.content);
equal('of this person in this group', [frame.body.from.userid, frame.body.chattype, frame.body.chatid], [one, 'group', group]);
equal('nothing else was pushed', client.seen.length, 0);
const id = stream();
for (const [n, text] of ['正在查…', '正在查…\n12 分', '**12** 分，第 3 名'].entries()) {
  const ack = await client.replyStream(frame, id, text, n === 2, undefined, n === 0 ? { id: 'fb-1' } : undefined);
  equal(`frame ${n + 1} is acknowledged under its id`, [ack.errcode, ack.headers.req_id, ack.cmd], [0, frame.headers.req_id, undefined]);
}
const bots = async (chat) => (await sim.screen(chat, one)).filter((i) => i.bot);
equal('three frames are one message', (await bots(group)).map(words), ['12 分，第 3 名']);
equal('that quotes the question', (await last(group)).reply_to, asked.message);
equal('a finished stream takes no more', await code(client.replyStream(frame, id, 'x', true)), 846608);
equal('nor a second answer', await code(client.replyStream(frame, stream(), 'x', true)), 846606);

// A card as the answer, its click, and its update.
await say({ chat: group }, '<@bot> /review');
const review = await next(client);
equal('a card answers', (await client.replyTemplateCard(review, button('review-1'))).errcode, 0);
const shown = await last(group);
check('it has two buttons', shown.parts.some((p) => p.part === 'buttons' && p.buttons.length === 2), shown.parts);
await sim.act({ do: 'click', person: two, message: shown.id, action: 'ok' });
const click = await next(client);
const detail = click.body.event.template_card_event;
equal('the click is the documented one', [click.body.event.eventtype, detail.event_key, detail.task_id, click.body.from.userid], ['template_card_event', 'ok', 'review-1', two]);
const after = button('review-1', '已通过');
equal('the card is updated', (await client.updateTemplateCard(click, after)).errcode, 0);
check('for everybody', words(await last(group)).includes('已通过') && (await last(group)).edited);
equal('with its own task id only', await code(client.updateTemplateCard(click, button('other'))), 846625);
await client.updateTemplateCard(click, button('review-1', '给你看'), [two]);
check('and for one person', words((await sim.screen(group, two)).at(-1)).includes('给你看') && !words(await last(group)).includes('给你看'));
equal('a message is not answered by an update', await code(client.updateTemplateCard(review, after)), 846606);
equal('a click is not answered by a message', await code(client.replyStream(click, stream(), 'x', true)), 846605);
equal('a task id is used once', await code(client.sendMessage(group, { msgtype: 'template_card', template_card: button('review-1') })), 846625);

// Welcome.
await sim.act({ do: 'open_direct', person: one, app: botId });
const entered = await next(client);
equal('an entry', [entered.cmd, entered.body.event.eventtype], ['aibot_event_callback', 'enter_chat']);
equal('is welcomed', (await client.replyWelcome(entered, { msgtype: 'text', text: { content: '你好' } })).errcode, 0);
const direct = (await sim.chats()).find((c) => c.person === one && c.apps.includes(botId)).id;
equal('with these words', words(await last(direct)), '你好');
equal('once', await code(client.replyWelcome(entered, { msgtype: 'text', text: { content: '再' } })), 846606);

// Pushes: only to where somebody has spoken to the bot.
equal('not to who has only come in', await code(client.sendMessage(one, { msgtype: 'markdown', markdown: { content: 'x' } })), 846607);
await say({ direct_with: botId }, '在');
const single = await next(client);
equal('a single chat has no chatid', [single.body.chattype, single.body.chatid], ['single', undefined]);
equal('the same with chat_type', (await client.sendMessage(one, { msgtype: 'markdown', markdown: { content: '**早**' }, chat_type: 1 })).errcode, 0);
equal('to a person', words(await last(direct)), '早');
equal('to a group', (await client.sendMessage(group, { msgtype: 'markdown', markdown: { content: '- 一\n- 二' } })).errcode, 0);
equal('as a list', (await last(group)).parts.map((p) => p.part), ['list_item', 'list_item']);
equal('to nobody', await code(client.sendMessage('wrNOWHERE', { msgtype: 'markdown', markdown: { content: 'x' } })), 93006);
equal('letters count', await code(client.sendMessage(group.toLowerCase(), { msgtype: 'markdown', markdown: { content: 'x' }, chat_type: 2 })), 93006);

// A file in two pieces.
const bytes = Buffer.alloc(700_000, 'hutong');
const media = await client.uploadMedia(bytes, { type: 'file', filename: 'report.txt' });
equal('an upload', [media.type, typeof media.media_id, typeof media.created_at], ['file', 'string', 'string']);
equal('as a push', (await client.sendMediaMessage(group, 'file', media.media_id)).errcode, 0);
equal('as an answer', (await client.replyMedia(single, 'file', media.media_id)).errcode, 0);
equal('is seen', (await last(direct)).parts[0].part, 'image');
const raw = (cmd, body) => client.reply({ headers: { req_id: generateReqId(cmd) } }, body, cmd);
const begin = (md5) => raw('aibot_upload_media_init', { type: 'file', filename: 'a.txt', total_size: 12, total_chunks: 2, md5 });
const piece = (upload_id, chunk_index, text) => raw('aibot_upload_media_chunk', { upload_id, chunk_index, base64_data: Buffer.from(text).toString('base64') });
const finish = (upload_id) => raw('aibot_upload_media_finish', { upload_id });
const good = createHash('md5').update('first-second').digest('hex');
let upload = (await begin(good)).body.upload_id;
equal('pieces come in any order', [(await piece(upload, 1, 'second')).errcode, await code(finish(upload)), (await piece(upload, 0, 'first-')).errcode, (await finish(upload)).errcode], [0, 846615, 0, 0]);
upload = (await begin('0'.repeat(32))).body.upload_id;
await piece(upload, 0, 'first-');
await piece(upload, 1, 'second');
equal('indexes are checked', await code(piece(upload, 2, 'x')), 846612);
equal('the sum is checked', await code(finish(upload)), 846616);
equal('unknown uploads are refused', await code(finish('nothing')), 846611);

// Heartbeat: it has been answered all the time; unanswered, the SDK gives the connection up.
const pings = async () => Object.fromEntries(await sim.call('calls')).ping ?? 0;
check('pings are answered', (await until(async () => (await pings()) >= 4)) && client.gone.length === 0, client.gone);
await sim.fault({ path: 'ping', times: 2, kind: { kind: 'status', status: 500 } });
check('unanswered pings end the connection', await until(() => client.gone.length === 1 && client.ready === 2));

// After the reconnect the old callback is unknown; the chat can still be reached.
equal('an old callback is not answered', await code(client.replyTemplateCard(single, button('late-1'))), 846605);
equal('but its chat is', (await client.sendMessage(one, { msgtype: 'template_card', template_card: button('late-2') })).errcode, 0);

// Limits of one chat.
let limited = 0;
for (let n = 0; n < 90 && !limited; n += 1) {
  limited = await code(client.sendMessage(group, { msgtype: 'markdown', markdown: { content: `${n}` } }));
}
equal('too many messages of a minute are refused', limited, 846607);
const now = (await bots(group)).at(-1).at_ms;
equal('at the thirty-first, answers counted', (await bots(group)).filter((i) => i.at_ms > now - 60_000).length, 30);

// A frame that is not acknowledged.
await sim.fault({ path: 'aibot_send_msg', times: 1, kind: { kind: 'status', status: 500 } });
const begun = Date.now();
const unanswered = await code(client.sendMessage(one, { msgtype: 'markdown', markdown: { content: 'x' } }));
check('no acknowledgement is a time-out', String(unanswered).includes('timeout') && Date.now() - begun >= 4900, unanswered);

// Takeover: the older connection is told and stays away.
client.seen.length = 0;
const newer = connect();
check('a newer connection is subscribed', await until(() => newer.ready === 1));
const told = await next(client);
equal('the older one is told', told?.body?.event?.eventtype, 'disconnected_event');
check('and gone', await until(() => client.gone.length === 2));
await sleep(1000);
equal('for good', [client.ready, newer.gone.length], [2, 0]);
await say({ direct_with: botId }, '谁在');
check('the newer one hears', Boolean(await next(newer)));
await sleep(100);
equal('the older one does not', client.seen.length, 0);

// A connection that is not subscribed.
const WebSocket = sdk('ws');
const bare = new WebSocket(bot.ws_url);
await new Promise((resolve) => { bare.on('open', resolve); });
const answer = new Promise((resolve) => { bare.on('message', (data) => resolve(JSON.parse(data))); });
bare.send(JSON.stringify({ cmd: 'aibot_send_msg', headers: { req_id: 'r' }, body: {} }));
equal('without subscribing nothing is possible', [(await answer).errcode, (await answer).headers.req_id], [846609, 'r']);
bare.close();
done();
