// The official Node SDK as a client of the simulated Feishu: messages, cards, files, groups, members,
// the directory, readers, reactions.
import { randomUUID } from 'node:crypto';
import { app, check, done, equal, sdk, sleep, Sim } from '../lib.mjs';

const lark = sdk('@larksuiteoapi/node-sdk');
const me = app('feishu');
const sim = new Sim(me.base_url);
const make = (appSecret, cache) =>
  new lark.Client({
    appId: me.app_id,
    appSecret,
    domain: me.base_url,
    loggerLevel: lark.LoggerLevel.fatal,
    ...(cache ? { cache } : {}),
  });
const client = make(me.app_secret);
// The SDK throws what the platform refuses with a status of 400.
const codeOf = async (call) => {
  try {
    return (await call).code;
  } catch (error) {
    return error.response?.data?.code ?? `${error}`;
  }
};
const good = async (name, call) => {
  try {
    const answer = await call;
    check(name, answer.code === 0, JSON.stringify(answer));
    return answer.data;
  } catch (error) {
    check(name, false, `${error} ${JSON.stringify(error.response?.data ?? {})}`);
    return {};
  }
};
const refused = async (name, call, code) => equal(name, await codeOf(call), code);
const shown = async (chat, viewer) => JSON.stringify(await sim.screen(chat, viewer));
// An iterator of the SDK over the pages of a listing.
const all = async (iterator) => {
  const items = [];
  let pages = 0;
  for await (const page of iterator) {
    pages += 1;
    items.push(...(page?.items ?? []));
  }
  return [items, pages];
};

// Tokens.
const token = (secret) =>
  client.auth.v3.tenantAccessToken.internal({ data: { app_id: me.app_id, app_secret: secret } });
const first = await token(me.app_secret);
check('token', first.tenant_access_token?.startsWith('t-') && first.expire > 0 && first.expire <= 7200, JSON.stringify(first));
equal('the same token while it has half an hour left', (await token(me.app_secret)).tenant_access_token, first.tenant_access_token);
equal('a wrong secret', (await token('wrong')).code, 10015);
const info = await client.request({ method: 'GET', url: '/open-apis/bot/v3/info' });
check('the bot is enabled and has an open_id', info.bot?.activate_status === 2 && info.bot.open_id.startsWith('ou_'), JSON.stringify(info));

// The directory.
const kinds = { user_id_type: 'open_id', department_id_type: 'open_department_id' };
const children = async (size) =>
  all(
    await client.contact.v3.department.childrenWithIterator({
      path: { department_id: '0' },
      params: { ...kinds, fetch_child: true, page_size: size },
    }),
  );
const [departments, count] = await children(2);
check('departments in pages', count > 1 && departments.length > count, `${count} ${departments.length}`);
const people = new Map();
for (const department of ['0', ...departments.map((d) => d.open_department_id)]) {
  const [found] = await all(
    await client.contact.v3.user.findByDepartmentWithIterator({ params: { ...kinds, department_id: department, page_size: 10 } }),
  );
  for (const person of found) people.set(person.user_id, person);
}
const wanted = (await sim.people()).filter((p) => p.active);
equal('everybody is found through the departments', [...people.keys()].sort(), wanted.map((p) => p.id).sort());
equal('names', wanted.map((p) => people.get(p.id).name), wanted.map((p) => p.name));
const open = (id) => people.get(id).open_id;
const members = wanted.slice(0, 6).map((p) => open(p.id));
const batch = await good(
  'users in a batch',
  client.contact.v3.user.batch({ params: { ...kinds, user_ids: members.slice(0, 3) } }),
);
equal('users in a batch, by repeated parameter', batch.items?.map((u) => u.open_id).sort(), members.slice(0, 3).sort());
const ids = await good(
  'ids by mail',
  client.contact.v3.user.batchGetId({ params: { user_id_type: 'open_id' }, data: { emails: [wanted[0].email, 'nobody@hutong.example'] } }),
);
equal('one of two is known', ids.user_list?.map((u) => u.user_id).filter(Boolean), [open(wanted[0].id)]);

// Groups.
const create = (uuid) =>
  client.im.v1.chat.create({
    params: { user_id_type: 'open_id', set_bot_manager: true, uuid },
    data: { name: '接口联调', user_id_list: members.slice(0, 2), owner_id: members[0], chat_mode: 'group', chat_type: 'private' },
  });
const key = randomUUID();
const { chat_id: chat } = await good('group', create(key));
equal('the same key makes the same group', (await create(key)).data.chat_id, chat);
const got = await good('read the group', client.im.v1.chat.get({ path: { chat_id: chat }, params: { user_id_type: 'open_id' } }));
equal('counts are texts', got.user_count, '2');
const nobody = 'ou_00000000000000000000000000000000';
const added = await good(
  'members, one of them unknown',
  client.im.v1.chatMembers.create({
    path: { chat_id: chat },
    params: { member_id_type: 'open_id', succeed_type: 1 },
    data: { id_list: [...members.slice(2, 5), nobody] },
  }),
);
equal('the unknown one is listed', [...(added.invalid_id_list ?? []), ...(added.not_existed_id_list ?? [])], [nobody]);
const list = async (size) =>
  all(await client.im.v1.chatMembers.getWithIterator({ path: { chat_id: chat }, params: { member_id_type: 'open_id', page_size: size } }));
const [listed, pages] = await list(2);
equal('members in pages', [listed.map((m) => m.member_id).sort(), pages], [members.slice(0, 5).sort(), 3]);
await good(
  'remove a member',
  client.im.v1.chatMembers.delete({ path: { chat_id: chat }, params: { member_id_type: 'open_id' }, data: { id_list: [members[4]] } }),
);
equal('who is left', (await list(100))[0].map((m) => m.member_id).sort(), members.slice(0, 4).sort());
await good('rename', client.im.v1.chat.update({ path: { chat_id: chat }, params: { user_id_type: 'open_id' }, data: { name: '改名之后' } }));
equal('the new name is seen', (await sim.chats()).filter((c) => c.id === chat).map((c) => c.name), ['改名之后']);

// Messages.
const viewer = wanted[1].id;
const send = async (to, msg_type, content, uuid = randomUUID(), type = 'chat_id') => {
  await sleep(250); // five a second to one chat
  return client.im.v1.message.create({
    params: { receive_id_type: type },
    data: { receive_id: to, msg_type, content: JSON.stringify(content), uuid },
  });
};
const once = randomUUID();
const text = await good('text', send(chat, 'text', { text: `早上好 <at user_id="${members[1]}"></at>` }, once));
equal('the same key sends once', (await send(chat, 'text', { text: '早上好' }, once)).data.message_id, text.message_id);
check('people see it', (await shown(chat, viewer)).includes('早上好'));
await good('to a person', send(members[1], 'text', { text: '私下' }, undefined, 'open_id'));
await refused('not in that group', send('oc_00000000000000000000000000000000', 'text', { text: 'x' }), 230002);
const reply = await good(
  'reply',
  client.im.v1.message.reply({
    path: { message_id: text.message_id },
    data: { msg_type: 'text', content: JSON.stringify({ text: '回复' }), uuid: randomUUID() },
  }),
);
equal('reply: what it answers', [reply.parent_id, reply.root_id], [text.message_id, text.message_id]);
await good(
  'edit',
  client.im.v1.message.update({ path: { message_id: text.message_id }, data: { msg_type: 'text', content: JSON.stringify({ text: '改过的早安' }) } }),
);
check('people see the edit', (await shown(chat, viewer)).includes('改过的早安'));
const card = (line) => ({
  schema: '2.0',
  config: { update_multi: true },
  body: { elements: [{ tag: 'div', text: { tag: 'plain_text', content: line } }] },
});
const sent = await good('card', send(chat, 'interactive', card('第一版')));
await good(
  'patch a card',
  client.im.v1.message.patch({ path: { message_id: sent.message_id }, data: { content: JSON.stringify(card('第二版')) } }),
);
const seen = await shown(chat, viewer);
check('people see the new card only', seen.includes('第二版') && !seen.includes('第一版'));
await refused(
  'PUT on a card',
  client.im.v1.message.update({ path: { message_id: sent.message_id }, data: { msg_type: 'text', content: JSON.stringify({ text: 'x' }) } }),
  230001,
);
const bad = card('x');
bad.body.elements[0].tag = 'no_such_tag';
await refused('a card that cannot be built', send(chat, 'interactive', bad), 230099);
const read = await good('read a message', client.im.v1.message.get({ path: { message_id: reply.message_id } }));
equal('its text', JSON.parse(read.items?.[0].body.content ?? '{}'), { text: '回复' });

// Files. The SDK unwraps the answers of uploads.
const png = Buffer.from(
  '89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478' +
    '9c636000000200000500010d0a2db40000000049454e44ae426082',
  'hex',
);
const image = await client.im.v1.image.create({ data: { image_type: 'message', image: png } });
check('image', image?.image_key?.startsWith('img_'), JSON.stringify(image));
await good('send the image', send(chat, 'image', { image_key: image.image_key }));
await refused("somebody else's image", send(chat, 'image', { image_key: 'img_v3_0000_none' }), 230017);
const file = await client.im.v1.file.create({ data: { file_type: 'stream', file_name: '名单.csv', file: Buffer.from('a,b\n') } });
check('file', file?.file_key?.startsWith('file_'), JSON.stringify(file));
await good('send the file', send(chat, 'file', { file_key: file.file_key }));

// Readers and reactions.
await sim.act({ do: 'read', person: viewer, message: sent.message_id });
const readers = await good(
  'who has read',
  client.im.v1.message.readUsers({ path: { message_id: sent.message_id }, params: { user_id_type: 'open_id', page_size: 100 } }),
);
equal('who has read: ids', readers.items?.map((r) => r.user_id), [open(viewer)]);
const reaction = await good(
  'react',
  client.im.v1.messageReaction.create({ path: { message_id: text.message_id }, data: { reaction_type: { emoji_type: 'THUMBSUP' } } }),
);
const reactions = await good('reactions', client.im.v1.messageReaction.list({ path: { message_id: text.message_id } }));
equal('reactions: which', reactions.items?.map((r) => r.reaction_id), [reaction.reaction_id]);
await good(
  'take the reaction back',
  client.im.v1.messageReaction.delete({ path: { message_id: text.message_id, reaction_id: reaction.reaction_id } }),
);
await good('recall', client.im.v1.message.delete({ path: { message_id: text.message_id } }));
check('people do not see it any more', !(await shown(chat, viewer)).includes('改过的早安'));
await good('disband', client.im.v1.chat.delete({ path: { chat_id: chat } }));
equal('it is gone', (await sim.chats()).filter((c) => c.id === chat).map((c) => c.disbanded), [true]);

const meant = ['10015', '230002', '230001', '230099', '230017'];
equal('no other complaint', (await sim.complaints()).filter((c) => !meant.some((m) => c.includes(`: ${m} `))), []);
done();
