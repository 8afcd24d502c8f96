// npm @wecom/crypto (and the one inside @wecom/aibot-node-sdk) as a receiver of our pushes: the XML of
// an app and the JSON of an AI bot with a callback address, opened and answered.
import http from 'node:http';
import { app, check, done, equal, sdk, Sim, until } from '../lib.mjs';

const { getSignature, decrypt, encrypt } = sdk('@wecom/crypto');
const { WecomCrypto } = sdk('@wecom/aibot-node-sdk');
const wecom = app('wecom');
const bot = app('wecom_aibot');
const sim = new Sim(wecom.base_url);
const info = await sim.info();
const appId = info.apps.find((a) => a.kind === 'wecom').id;
const botId = info.apps.find((a) => a.kind === 'wecom_aibot').id;
const [one] = (await sim.people()).map((p) => p.id);

const opened = [];
let reply;
const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const url = new URL(request.url, 'http://localhost');
    const get = (name) => url.searchParams.get(name);
    const forBot = url.pathname === '/bot';
    const keys = forBot ? bot : wecom;
    const body = Buffer.concat(parts).toString();
    let sealed = get('echostr');
    if (!sealed) sealed = forBot ? JSON.parse(body).encrypt : body.match(/<Encrypt><!\[CDATA\[(.+?)\]\]><\/Encrypt>/)[1];
    const signature = getSignature(keys.token, get('timestamp'), get('nonce'), sealed);
    if (signature !== get('msg_signature')) {
      response.writeHead(403).end();
      return;
    }
    const { message, id } = decrypt(keys.aes_key, sealed);
    if (get('echostr')) {
      response.end(message);
      return;
    }
    opened.push({ forBot, message, id, sealed, get });
    response.end(reply ? reply(get) : '');
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const base = `http://127.0.0.1:${server.address().port}`;

// The address check of both.
await sim.subscribe(appId, `${base}/app`);
await sim.subscribe(botId, `${base}/bot`);
check('both addresses are accepted', true);
let refused = false;
try {
  await sim.subscribe(botId, `${base}/app`);
} catch {
  refused = true;
}
check("the bot's check does not pass with the app's keys", refused);

const say = (chat, text) => sim.act({ do: 'say', person: one, chat, text });
const last = async (chat) => (await sim.screen(chat, one)).at(-1);
const words = (item) => item.parts.map((p) => p.text ?? p.label ?? p.name ?? '').join('');

// An app: XML, with the corp id inside.
let done_ = await say({ direct_with: appId }, '感谢 ]]> 😀');
equal('the push to the app is accepted', [done_.callbacks_ok, done_.callbacks_failed], [1, 0]);
let push = opened.at(-1);
equal('it is for our corp', push.id, wecom.corp_id);
check('and holds the text', push.message.includes('感谢 ]]]]><![CDATA[> 😀'), push.message);

const xmlReply = (text, token = wecom.token, corp = wecom.corp_id) => (get) => {
  const plain = `<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[${text}]]></Content></xml>`;
  const sealed = encrypt(wecom.aes_key, plain, corp);
  const signature = getSignature(token, get('timestamp'), get('nonce'), sealed);
  return `<xml><Encrypt><![CDATA[${sealed}]]></Encrypt><MsgSignature><![CDATA[${signature}]]></MsgSignature>`
    + `<TimeStamp>${get('timestamp')}</TimeStamp><Nonce><![CDATA[${get('nonce')}]]></Nonce></xml>`;
};
reply = xmlReply('您有 5 分');
done_ = await say({ direct_with: appId }, '/积分');
await until(async () => (await last(done_.chat)).bot);
equal('the reply that the library sealed is shown', words(await last(done_.chat)), '您有 5 分');
for (const [name, forged] of [['with another token', xmlReply('假', 'Other')], ['of another corp', xmlReply('假', wecom.token, 'ww0')]]) {
  reply = forged;
  const before = (await sim.complaints()).length;
  await say({ direct_with: appId }, '/积分');
  check(`a reply ${name} is not shown`, !(await last(done_.chat)).bot);
  check(`and complained about (${name})`, (await sim.complaints()).length > before);
}
reply = undefined;

// An AI bot: JSON, with an empty id inside.
done_ = await say({ direct_with: botId }, '/积分');
equal('the push to the bot is accepted', [done_.callbacks_ok, done_.callbacks_failed], [1, 0]);
push = opened.at(-1);
equal('its id is empty', [push.forBot, push.id], [true, '']);
const body = JSON.parse(push.message);
equal('it is the documented JSON', [body.msgtype, body.text.content, body.chattype, body.from.userid, body.aibotid], ['text', '/积分', 'single', one, bot.bot_id]);
check('with an address for the answer', body.response_url.startsWith(`${wecom.base_url}/cgi-bin/aibot/response?response_code=`));

const botReply = (value) => (get) => {
  const sealed = encrypt(bot.aes_key, JSON.stringify(value), '');
  const timestamp = Number(get('timestamp'));
  const nonce = get('nonce');
  return JSON.stringify({ encrypt: sealed, msgsignature: getSignature(bot.token, timestamp, nonce, sealed), timestamp, nonce });
};
reply = botReply({ msgtype: 'stream', stream: { id: 's1', finish: true, content: '**5** 分' } });
done_ = await say({ direct_with: botId }, '/积分');
await until(async () => (await last(done_.chat)).bot);
equal("the bot's reply is shown", words(await last(done_.chat)), '5 分');
reply = undefined;

// The same push through the crypto class of the AI bot's SDK.
const crypto = new WecomCrypto(bot.token, bot.aes_key, '');
check('the AI bot SDK accepts the signature', crypto.verifySignature(push.get('msg_signature'), push.get('timestamp'), push.get('nonce'), push.sealed));
equal('and opens it', crypto.decrypt(push.sealed), push.message);
check('but not a changed one', !crypto.verifySignature(push.get('msg_signature'), push.get('timestamp'), push.get('nonce'), `A${push.sealed.slice(1)}`));
check('nor one of another time', !crypto.verifySignature(push.get('msg_signature'), '1', push.get('nonce'), push.sealed));
let foreign = false;
try {
  new WecomCrypto(wecom.token, wecom.aes_key, 'ww0000000000000000').decrypt(opened.find((p) => !p.forBot).sealed);
} catch {
  foreign = true;
}
check('a push of another corp is refused', foreign);

// The answer over the one-use address.
const use = (content) => fetch(body.response_url, {
  method: 'POST',
  body: JSON.stringify({ msgtype: 'markdown', markdown: { content } }),
}).then((r) => r.json());
equal('the address takes one answer', (await use('一')).errcode, 0);
equal('and no second one', (await use('二')).errcode, 60140);
done();
