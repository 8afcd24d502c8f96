// The demo page: an IM client for the simulated platforms. Plain script, no libraries.
// Everything that people or the bot wrote is set with textContent; there is no innerHTML here.
'use strict';
(() => {
  const boot = JSON.parse(document.getElementById('boot').textContent);
  const t = boot.text;
  const { el, svg, plain, parts } = globalThis.messageKit({
    t,
    isMe: (id) => id === me().id,
    picture: (handle) => `api/picture?platform=${state.platform}&handle=${encodeURIComponent(handle)}`,
    click: (item, action, values) => act({ do: 'click', person: me().id, message: item.id, action, values }),
  });
  const $ = (id) => document.getElementById(id);
  const PAGE = 60;
  const EMOJI = {
    THUMBSUP: '👍', OK: '👌', THANKS: '🙏', APPLAUSE: '👏', MUSCLE: '💪', HEART: '❤️', LAUGH: '😄', DONE: '✅',
    SMILE: '😊', JIAYI: '+1', FINGERHEART: '🫰', PARTY: '🎉', LOL: '🤣', CLAP: '👏', FISTBUMP: '🤜', YES: '👌',
  };
  const OFFERED = ['THUMBSUP', 'HEART', 'APPLAUSE', 'THANKS', 'MUSCLE', 'LAUGH', 'OK', 'DONE'];

  /* ---------- small tools ---------- */

  const format = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
  const byName = (prefix, name) => t[prefix + name] || name;
  const zone = { timeZone: 'Asia/Shanghai' };
  const hourFormat = new Intl.DateTimeFormat(boot.tag, { ...zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const secondFormat = new Intl.DateTimeFormat(boot.tag, { ...zone, hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
  const dayFormat = new Intl.DateTimeFormat(boot.tag, { ...zone, month: 'long', day: 'numeric', weekday: 'short' });
  const shortDay = new Intl.DateTimeFormat(boot.tag, { ...zone, month: 'numeric', day: 'numeric' });
  const dayNumber = (ms) => Math.floor((ms + 8 * 3600e3) / 86400e3);
  function dayName(ms) {
    const ago = dayNumber(state.now) - dayNumber(ms);
    return ago === 0 ? t.today : ago === 1 ? t.yesterday : dayFormat.format(ms);
  }
  function hue(text) {
    let h = 7;
    for (const c of text) h = (h * 31 + c.codePointAt(0)) % 3600;
    return h % 360;
  }
  function avatar(node, id, name, kind) {
    node.className = 'avatar ' + (kind || '');
    node.replaceChildren();
    if (kind === 'botface') {
      node.append(svg('svg', { viewBox: '0 0 24 24' },
        svg('path', { d: 'M12 3v3M6 9h12v9H6zM3.5 12v3M20.5 12v3' }), svg('circle', { cx: 9.6, cy: 13, r: 1.1 }), svg('circle', { cx: 14.4, cy: 13, r: 1.1 })));
    } else {
      // Colleagues are known by the last two characters of a Chinese name.
      const letters = /[\u3400-\u9fff]/.test(name) ? name.replace(/[^\u3400-\u9fff]/g, '').slice(kind === 'groupface' ? 0 : -2, kind === 'groupface' ? 2 : undefined) : name.slice(0, 2);
      node.textContent = letters || '?';
      node.style.setProperty('--h', hue(id));
    }
    return node;
  }
  function toast(text, bad) {
    const node = el('div', { class: bad ? 'toast bad' : 'toast', text });
    $('toasts').append(node);
    while ($('toasts').childElementCount > 2) $('toasts').firstChild.remove();
    setTimeout(() => node.remove(), bad ? 7000 : 4000);
  }
  async function ask(path, body) {
    const answer = await fetch('api/' + path, body === undefined ? {} : {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(data.message || String(answer.status));
    return data;
  }
  const failed = (error) => toast(format(t.failed, { why: error.message }), true);

  /* ---------- state ---------- */

  const platforms = new Map(boot.platforms.map((p) => [p.id, {
    ...p, byId: new Map(p.people.map((x) => [x.id, x])), appById: new Map(p.apps.map((a) => [a.id, a])),
  }]));
  const state = {
    platform: '', viewer: {}, chat: null, chats: [], items: [], member: true, limit: PAGE, more: false, loaded: '',
    reply: null, seen: new Map(), trace: new Map(), since: 0, now: boot.now_ms, receives: boot.receives, pick: null, drafts: new Map(), opened: {},
  };
  const here = () => platforms.get(state.platform);
  const me = () => here().byId.get(state.viewer[state.platform]);
  // A colleague on all platforms: the employee number is what they have in common.
  const colleagues = new Map();
  for (const p of platforms.values()) {
    for (const person of p.people) {
      const key = person.no || p.id + person.id;
      if (!colleagues.has(key)) colleagues.set(key, { ...person, ids: {} });
      colleagues.get(key).ids[p.id] = person.id;
    }
  }
  const keyOf = (chat) => (chat.app ? 'app:' + chat.app : chat.id);
  const current = () => state.chats.find((c) => keyOf(c) === state.chat) || null;

  function remember() {
    const url = new URL(location.href);
    url.search = '';
    url.searchParams.set('p', state.platform);
    url.searchParams.set('u', state.viewer[state.platform]);
    if (state.chat) url.searchParams.set('c', state.chat);
    history.replaceState(null, '', url);
    const lang = new URL($('lang').href);
    const other = lang.searchParams.get('lang');
    lang.search = url.search;
    lang.searchParams.set('lang', other);
    $('lang').href = lang.href;
  }
  function pane(name) {
    document.body.dataset.pane = name;
    for (const b of document.querySelectorAll('[data-tab]')) b.setAttribute('aria-current', b.dataset.tab === name ? 'page' : 'false');
  }

  /* ---------- who and where ---------- */

  function firstPerson(id) {
    // An ordinary colleague who is at home here: neither the first in the list nor a visitor.
    const people = platforms.get(id).people.filter((p) => p.active);
    const home = people.filter((p) => Object.keys(colleagues.get(p.no || id + p.id).ids).length === 1);
    return (home[2] || people[0] || { id: '' }).id;
  }
  function choosePlatform(id, chat) {
    const before = state.platform && me();
    state.platform = id;
    document.body.dataset.platform = id;
    if (before) {
      const same = colleagues.get(before.no);
      if (same && same.ids[id]) {
        state.viewer[id] = same.ids[id];
      } else {
        state.viewer[id] ||= firstPerson(id);
        toast(format(t.not_here, { name: before.name, platform: t[id], other: me().name }));
      }
    }
    state.viewer[id] ||= firstPerson(id);
    for (const b of document.querySelectorAll('.platform')) {
      b.setAttribute('aria-pressed', String(b.dataset.platform === id));
      if (b.dataset.platform === id) b.querySelector('.dot').hidden = true;
    }
    drawReceive();
    becomePerson(chat || state.opened[id]);
  }
  function becomePerson(chat) {
    const person = me();
    avatar($('me-avatar'), person.id, person.name);
    $('me-name').textContent = person.name;
    $('me-about').textContent = [person.department.split(' / ').pop(), person.title].filter(Boolean).join(' · ');
    state.chat = null;
    state.chats = [];
    state.items = [];
    refreshChats(chat);
  }

  async function refreshChats(want) {
    const [platform, viewer] = [state.platform, me().id];
    let data;
    try {
      data = await ask(`chats?platform=${platform}&viewer=${encodeURIComponent(viewer)}`);
    } catch (error) {
      failed(error);
      return;
    }
    if (platform !== state.platform || viewer !== me().id) return;
    state.chats = data.chats;
    for (const chat of state.chats) {
      const key = platform + viewer + keyOf(chat);
      // What was there before the page was opened counts as read.
      if (!state.seen.has(key)) state.seen.set(key, chat.last_ms);
    }
    if (want !== undefined || !state.chat) {
      const fits = state.chats.find((c) => keyOf(c) === want) || state.chats.find((c) => c.member && c.group) || state.chats[0];
      if (fits) return openChat(keyOf(fits), false);
    }
    drawChats();
    drawHead();
    return refreshScreen();
  }

  /* ---------- list of chats ---------- */

  function drawChats() {
    const filter = $('chat-filter').value.trim().toLowerCase();
    const box = $('chats');
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const sections = [
      [t.private, (c) => !c.group],
      [t.my_groups, (c) => c.group && c.member],
      [t.other_groups, (c) => c.group && !c.member],
    ];
    const nodes = [];
    for (const [title, want] of sections) {
      const chats = state.chats.filter(want).filter((c) => c.name.toLowerCase().includes(filter));
      if (!chats.length) continue;
      nodes.push(el('h2', { class: 'section', text: title }), el('ul', {}, ...chats.map(chatRow)));
    }
    if (!nodes.length) nodes.push(el('p', { class: 'none', text: t.no_chats }));
    box.replaceChildren(...nodes);
    if (focused) box.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }
  function chatRow(chat) {
    const key = keyOf(chat);
    const open = key === state.chat;
    const seenKey = state.platform + me().id + key;
    if (open) state.seen.set(seenKey, chat.last_ms);
    const fresh = chat.member && chat.last_ms > (state.seen.get(seenKey) ?? 0);
    const when = !chat.last_ms ? '' : dayNumber(chat.last_ms) === dayNumber(state.now) ? hourFormat.format(chat.last_ms) : shortDay.format(chat.last_ms);
    const about = chat.member ? chat.preview || (chat.last_ms ? t.recalled_short : t.not_opened) : format(t.members, { n: chat.members.length });
    return el('li', {}, el('button', {
      type: 'button', class: fresh ? 'chat fresh' : 'chat', 'data-key': key, 'aria-current': open ? 'true' : 'false', onclick: () => openChat(key, true),
    },
      avatar(el('span', { 'aria-hidden': 'true' }), chat.id || key, chat.name, chat.group ? 'groupface' : 'botface'),
      el('span', { class: 'lines' },
        el('span', { class: 'top' }, el('strong', { text: chat.name }), el('time', { text: when })),
        el('span', { class: 'preview' }, el('span', { text: about }), fresh && el('i', { class: 'dot', 'aria-label': t.new_messages, role: 'img' })))));
  }

  async function openChat(key, byHand) {
    const chat = state.chats.find((c) => keyOf(c) === key);
    if (!chat) return;
    if (state.chat) state.drafts.set(state.platform + state.chat, $('input').value);
    state.chat = key;
    state.opened[state.platform] = key;
    state.items = [];
    state.limit = PAGE;
    state.loaded = '';
    setReply(null);
    closePicker();
    $('messages').replaceChildren();
    $('newer').hidden = true;
    $('input').value = state.drafts.get(state.platform + key) || '';
    drawChats();
    drawHead();
    grow();
    drawTrace();
    remember();
    if (byHand) pane('talk');
    if (!chat.id && byHand) {
      // Opening a private chat is something that a person does: the bot hears of it.
      await act({ do: 'open_direct', person: me().id, app: chat.app }, true);
      await refreshChats();
      return;
    }
    await refreshScreen();
    if (byHand && matchMedia('(min-width: 761px)').matches) $('input').focus();
  }

  /* ---------- conversation ---------- */

  function drawHead() {
    const chat = current();
    $('chat-name').textContent = chat ? chat.name : t.choose_chat;
    const app = chat && chat.app && here().appById.get(chat.app);
    $('chat-about').textContent = !chat ? t.choose_chat_more
      : `${t[state.platform]} · ${t.simulated}` + (app ? ' · ' + t.bot : '');
    const members = $('members');
    members.hidden = !(chat && chat.group);
    if (chat && chat.group) members.textContent = format(t.members, { n: chat.members.length });
    $('composer').hidden = !(chat && chat.member);
    $('input').placeholder = chat && chat.group ? t.placeholder_group : t.placeholder_direct;
    document.title = chat ? `${chat.name} · ${t.title}` : t.title;
  }
  function empty(title, more, canJoin) {
    const box = $('empty');
    box.hidden = !title;
    if (!title) return;
    box.querySelector('h2').textContent = title;
    box.querySelector('p').textContent = more;
    $('join').hidden = !canJoin;
  }

  async function refreshScreen(older) {
    const chat = current();
    if (!chat) return empty(t.choose_chat, t.choose_chat_more);
    if (!chat.member) {
      state.items = [];
      drawItems(true);
      return empty(t.not_member, t.not_member_more, true);
    }
    if (!chat.id) {
      drawItems(true);
      return empty(t.empty_chat, t.empty_chat_more);
    }
    const asked = [state.platform, me().id, chat.id].join();
    let data;
    try {
      data = await ask(`screen?platform=${state.platform}&chat=${encodeURIComponent(chat.id)}&viewer=${encodeURIComponent(me().id)}&limit=${state.limit}`);
    } catch (error) {
      return failed(error);
    }
    const now = current();
    if (!now || asked !== [state.platform, me().id, now.id].join()) return;
    const first = state.loaded !== asked;
    state.loaded = asked;
    state.items = data.items;
    state.more = data.more;
    drawItems(first, older);
    empty(data.items.length ? '' : t.empty_chat, t.empty_chat_more);
  }

  const drawn = new Map();
  function drawItems(first, older) {
    const log = $('log');
    const box = $('messages');
    const bottom = log.scrollHeight - log.scrollTop - log.clientHeight < 90;
    const height = log.scrollHeight;
    if (first) drawn.clear();
    const wanted = [];
    let before = null;
    for (const item of state.items) {
      if (!before || dayNumber(before.at_ms) !== dayNumber(item.at_ms)) {
        wanted.push(node('day' + dayNumber(item.at_ms), dayName(item.at_ms), (text) => el('p', { class: 'day' }, el('span', { text }))));
        before = null;
      }
      const follows = before && before.from === item.from && before.from && !before.recalled && item.at_ms - before.at_ms < 180e3 && !item.reply_to;
      const quoted = item.reply_to && state.items.find((i) => i.id === item.reply_to);
      const about = JSON.stringify([item, Boolean(follows), Boolean(quoted), quoted && quoted.recalled]);
      wanted.push(node(item.id, about, () => message(item, follows, quoted)));
      before = item;
    }
    const keep = new Set(wanted);
    for (const [key, old] of drawn) if (!keep.has(old.node)) drawn.delete(key);
    // Only what is new at the end is read out.
    box.setAttribute('aria-live', first || older ? 'off' : 'polite');
    let cursor = box.firstChild;
    let added = null;
    for (const n of wanted) {
      if (n === cursor) {
        cursor = cursor.nextSibling;
        continue;
      }
      box.insertBefore(n, cursor);
      if (n.classList.contains('msg')) added = n;
    }
    while (cursor) {
      const next = cursor.nextSibling;
      cursor.remove();
      cursor = next;
    }
    $('older').textContent = !state.items.length ? '' : state.more ? t.older : t.beginning;
    if (older) log.scrollTop += log.scrollHeight - height;
    else if (first || bottom || (added && added.classList.contains('mine'))) toBottom();
    else if (added && added === box.lastElementChild) $('newer').hidden = false;
  }
  function node(key, about, make) {
    const old = drawn.get(key);
    if (old && old.about === about) return old.node;
    const fresh = make(about);
    drawn.set(key, { about, node: fresh });
    return fresh;
  }
  function toBottom() {
    const log = $('log');
    log.scrollTop = log.scrollHeight;
    $('newer').hidden = true;
  }

  function message(item, follows, quoted) {
    const mine = item.from === me().id && !item.bot;
    if (!item.from || item.recalled) {
      const text = item.recalled ? format(t.recalled, { name: mine ? t.you : item.from_name }) : plain(item);
      return el('article', { class: 'msg notice', 'data-id': item.id }, el('p', { text }), el('time', { text: hourFormat.format(item.at_ms) }));
    }
    const card = item.parts.some((p) => ['title', 'table', 'chart', 'buttons', 'form', 'divider'].includes(p.part));
    const bubble = el('div', { class: card ? 'card' : 'bubble' }, ...parts(item));
    const reactions = item.reactions.filter(([, who]) => who.length).map(([emoji, who]) => {
      const on = who.includes(me().id);
      return el('button', {
        type: 'button', class: 'reaction', 'aria-pressed': String(on),
        title: who.map((id) => here().byId.get(id)?.name || id).join('、'),
        onclick: () => act({ do: 'react', person: me().id, message: item.id, emoji, on: !on }),
      }, el('span', { text: EMOJI[emoji] || emoji }), el('b', { text: who.length }));
    });
    const tools = el('div', { class: 'tools' },
      tool(t.reply, 'M10 8L5 12.5 10 17M5.5 12.5H14a5 5 0 0 1 5 5V19', () => { setReply(item); $('input').focus(); }),
      tool(t.react, 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM9 10v.5M15 10v.5M8.5 14c1 2 6 2 7 0', (e) => chooseEmoji(e.currentTarget, item)),
      mine && tool(t.recall, 'M5 8h9a5 5 0 0 1 0 10H9M8.5 4.5L5 8l3.5 3.5', () => act({ do: 'recall', person: me().id, message: item.id })));
    return el('article', {
      class: `msg ${mine ? 'mine' : ''} ${item.bot ? 'frombot' : ''} ${follows ? 'follows' : ''}`, 'data-id': item.id,
      onclick: (e) => e.currentTarget.classList.toggle('touched', !e.target.closest('button,a,input,select,textarea,label')),
    },
      avatar(el('span', { 'aria-hidden': 'true' }), item.from, item.from_name, item.bot ? 'botface' : ''),
      el('div', { class: 'body' },
        el('p', { class: 'meta' }, el('strong', { text: item.from_name }), item.bot && el('span', { class: 'tag', text: t.bot }),
          el('time', { text: hourFormat.format(item.at_ms), datetime: new Date(item.at_ms).toISOString() }), item.edited && el('span', { class: 'edited', text: t.edited })),
        item.reply_to && el('button', { type: 'button', class: 'quoted', onclick: () => jump(item.reply_to) },
          el('span', { text: quoted ? `${quoted.from_name}: ${quoted.recalled ? t.recalled_short : plain(quoted)}` : '…' })),
        el('div', { class: 'holder' }, bubble, tools),
        reactions.length ? el('div', { class: 'reactions' }, ...reactions) : null));
  }
  function tool(label, path, onclick) {
    return el('button', { type: 'button', class: 'icon', title: label, 'aria-label': label, onclick }, svg('svg', { viewBox: '0 0 24 24' }, svg('path', { d: path })));
  }
  function jump(id) {
    const target = document.querySelector(`.msg[data-id="${CSS.escape(id)}"]`);
    if (!target) return;
    target.scrollIntoView({ block: 'center', behavior: 'smooth' });
    target.classList.add('flash');
    setTimeout(() => target.classList.remove('flash'), 1600);
  }
  function chooseEmoji(anchor, item) {
    document.querySelector('.emojis')?.remove();
    const mine = (emoji) => item.reactions.some(([name, who]) => name === emoji && who.includes(me().id));
    const close = () => { box.remove(); document.removeEventListener('pointerdown', outside, true); };
    const outside = (e) => { if (!box.contains(e.target)) close(); };
    const box = el('div', { class: 'emojis', role: 'group', 'aria-label': t.react, onkeydown: (e) => { if (e.key === 'Escape') { close(); anchor.focus(); } } },
      ...OFFERED.map((emoji) => el('button', {
        type: 'button', 'aria-label': emoji.toLowerCase(), text: EMOJI[emoji], 'aria-pressed': String(mine(emoji)),
        onclick: () => { close(); act({ do: 'react', person: me().id, message: item.id, emoji, on: !mine(emoji) }); },
      })));
    anchor.closest('.tools').append(box);
    document.addEventListener('pointerdown', outside, true);
    box.firstChild.focus();
  }

  /* ---------- doing something ---------- */

  async function act(verb, quiet) {
    try {
      const done = await ask('act', { platform: state.platform, verb });
      if (done.callbacks_failed) toast(t.callback_failed, true);
      soon();
      return done;
    } catch (error) {
      if (!quiet) failed(error);
      return null;
    }
  }
  function setReply(item) {
    state.reply = item;
    $('replying').hidden = !item;
    if (item) $('replying').firstElementChild.textContent = `${format(t.replying, { name: item.from_name })}: ${plain(item)}`;
  }
  function grow() {
    const input = $('input');
    input.style.height = 'auto';
    input.style.height = Math.min(input.scrollHeight, 140) + 'px';
  }

  // Whom one can mention here: bots, everyone, people.
  function mentionable() {
    const chat = current();
    if (!chat) return [];
    const many = chat.apps.length > 1;
    const bots = chat.apps.map((id) => ({ token: many ? id : 'bot', name: here().appById.get(id)?.name || id, about: t.bot, bot: true }));
    const person = (p) => ({ token: p.id, name: p.name, about: [p.department.split(' / ').pop(), p.title].filter(Boolean).join(' · '), id: p.id });
    const ids = chat.group ? chat.members : here().people.map((p) => p.id);
    const people = ids.filter((id) => id !== me().id).map((id) => here().byId.get(id)).filter((p) => p && p.active).map(person);
    return chat.group ? [...bots, ...people, { token: 'all', name: t.everyone, about: '', everyone: true }] : [...bots, ...people];
  }
  function encode(text) {
    const list = mentionable().filter((m, i, all) => all.findIndex((o) => o.name === m.name) === i).sort((a, b) => b.name.length - a.name.length);
    let out = '';
    for (let i = 0; i < text.length;) {
      const found = text[i] === '@' && list.find((m) => text.startsWith(m.name, i + 1));
      if (found) {
        out += `<@${found.token}>`;
        i += 1 + found.name.length;
      } else out += text[i++];
    }
    return out.trim();
  }
  async function send() {
    const input = $('input');
    const chat = current();
    const text = encode(input.value);
    if (!text || !chat) return;
    const [kept, reply] = [input.value, state.reply];
    input.value = '';
    grow();
    setReply(null);
    $('send').disabled = true;
    const done = await act({
      do: 'say', person: me().id, chat: chat.app ? { direct_with: chat.app } : { chat: chat.id }, text, reply_to: reply ? reply.id : null,
    });
    $('send').disabled = false;
    if (done) {
      await refreshChats();
      toBottom();
    } else if (!input.value) {
      input.value = kept;
      setReply(reply);
      grow();
    }
    input.focus();
  }

  /* ---------- mention picker ---------- */

  function query() {
    const input = $('input');
    const found = /@([^\s@<>，。！？]{0,16})$/.exec(input.value.slice(0, input.selectionStart));
    return found ? found[1] : null;
  }
  function updatePicker() {
    const typed = query();
    if (typed === null) return closePicker();
    const want = typed.toLowerCase();
    const found = mentionable().filter((m) => (m.name + ' ' + m.token).toLowerCase().includes(want)).slice(0, 30);
    // A finished mention needs no list.
    if (!found.length || found.some((m) => m.name === typed)) return closePicker();
    const box = $('picker');
    const at = state.pick ? Math.min(state.pick.at, found.length - 1) : 0;
    state.pick = { found, at };
    box.replaceChildren(...found.map((m, i) => el('li', {
      id: 'pick' + i, role: 'option', 'aria-selected': String(i === at), onpointerdown: (e) => { e.preventDefault(); choose(i); },
    }, avatar(el('span', { 'aria-hidden': 'true' }), m.id || m.token, m.name, m.bot ? 'botface' : ''), el('strong', { text: m.name }), el('small', { text: m.about }))));
    box.hidden = false;
    $('input').setAttribute('aria-expanded', 'true');
    $('input').setAttribute('aria-activedescendant', 'pick' + at);
  }
  function movePick(by) {
    const { found, at } = state.pick;
    state.pick.at = (at + by + found.length) % found.length;
    [...$('picker').children].forEach((li, i) => li.setAttribute('aria-selected', String(i === state.pick.at)));
    $('picker').children[state.pick.at].scrollIntoView({ block: 'nearest' });
    $('input').setAttribute('aria-activedescendant', 'pick' + state.pick.at);
  }
  function closePicker() {
    state.pick = null;
    $('picker').hidden = true;
    $('input').setAttribute('aria-expanded', 'false');
    $('input').removeAttribute('aria-activedescendant');
  }
  function choose(i) {
    const chosen = state.pick.found[i];
    const input = $('input');
    const typed = query() ?? '';
    const start = input.selectionStart - typed.length;
    input.setRangeText(chosen.name + ' ', start, input.selectionStart, 'end');
    closePicker();
    grow();
    input.focus();
  }
  function insert(text) {
    const input = $('input');
    input.focus();
    input.setRangeText(text, input.selectionStart, input.selectionEnd, 'end');
    grow();
    updatePicker();
  }
  function example(text) {
    const input = $('input');
    const chat = current();
    const bot = chat && chat.group && mentionable().find((m) => m.bot);
    input.value = '';
    setReply(null);
    insert((bot ? `@${bot.name} ` : '') + text);
    if (state.pick && text.endsWith('@')) {
      // The bot cannot be thanked: begin with the first colleague.
      const first = state.pick.found.findIndex((m) => m.id);
      if (first > 0) movePick(first - state.pick.at);
    }
  }

  /* ---------- sheets: people and members ---------- */

  function personRow(person, extra, onclick) {
    return el('button', { type: 'button', class: 'person', onclick },
      avatar(el('span', { 'aria-hidden': 'true' }), person.id, person.name),
      el('span', { class: 'lines' }, el('strong', { text: person.name }), el('small', { text: [person.department, person.title].filter(Boolean).join(' · ') })),
      extra);
  }
  function drawPeople() {
    const words = $('people-filter').value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const groups = new Map();
    let count = 0;
    for (const person of colleagues.values()) {
      const text = [person.name, person.department, person.title, person.no, ...Object.values(person.ids)].join(' ').toLowerCase();
      if (!words.every((w) => text.includes(w))) continue;
      count += 1;
      const department = person.department.split(' / ')[0] || '—';
      if (!groups.has(department)) groups.set(department, []);
      const badges = el('span', { class: 'badges' }, ...Object.keys(person.ids).map((id) => el('span', { class: 'badge', 'data-platform': id, text: t[id] })),
        !person.active && el('span', { class: 'badge', text: t.left_company }));
      groups.get(department).push(el('li', {}, personRow(person, badges, () => {
        $('people').close();
        const to = person.ids[state.platform] ? state.platform : Object.keys(person.ids)[0];
        state.viewer[to] = person.ids[to];
        if (to === state.platform) becomePerson(state.chat);
        else { state.platform = ''; choosePlatform(to); }
      })));
    }
    $('people-count').textContent = count ? format(t.people_found, { n: count }) : '';
    $('people-list').replaceChildren(...(count ? [...groups].flatMap(([name, rows]) => [el('h3', { class: 'section', text: name }), el('ul', {}, ...rows)])
      : [el('p', { class: 'none', text: t.no_person })]));
  }
  function drawMembers() {
    const chat = current();
    if (!chat) return;
    const bots = chat.apps.map((id) => el('li', {}, el('div', { class: 'person' }, avatar(el('span', { 'aria-hidden': 'true' }), id, '', 'botface'),
      el('span', { class: 'lines' }, el('strong', { text: here().appById.get(id)?.name || id }), el('small', { text: t.bot })))));
    const rows = chat.members.map((id) => here().byId.get(id)).filter(Boolean).map((person) => el('li', {}, personRow(person,
      el('span', { class: 'badges' }, person.id === chat.owner && el('span', { class: 'badge', text: t.owner }), person.id === me().id && el('span', { class: 'badge', text: t.you })), () => {
        $('member-sheet').close();
        state.viewer[state.platform] = person.id;
        becomePerson(state.chat);
      })));
    $('member-title').textContent = `${t.member_list} · ${chat.members.length}`;
    $('member-list').replaceChildren(el('ul', {}, ...bots, ...rows));
    $('leave').hidden = !chat.member;
  }

  /* ---------- behind the scenes ---------- */

  const ms = (n) => (n === null || n === undefined ? null : el('span', { class: 'ms', text: format(t.ms, { n: n < 10 ? n.toFixed(1) : Math.round(n) }) }));
  const badge = (name) => el('span', { class: 'state s-' + name, text: byName('s_', name) });
  function traceCard(item) {
    const effects = (rule) => item.effects.filter((e) => e.rule === rule).map((e) => el('li', { class: 'step effect s-' + e.state },
      el('p', {}, el('b', { text: byName('a_', e.action) }), el('span', { class: 'to', text: e.to ? '→ ' + e.to : '' }), badge(e.state), e.attempts > 1 && el('span', { class: 'ms', text: format(t.attempts, { n: e.attempts }) }), ms(e.ms)),
      e.summary && el('p', { class: 'what', text: e.summary })));
    const rules = item.rules.map((r) => el('li', { class: 'step rule s-' + r.state },
      el('p', {}, el('code', { text: r.name }), badge(r.state), ms(r.ms)), r.why && el('p', { class: 'what', text: r.why }),
      el('ol', {}, ...effects(r.name))));
    const named = new Set(item.rules.map((r) => r.name));
    const rest = [...new Set(item.effects.map((e) => e.rule))].filter((r) => !named.has(r)).flatMap(effects);
    return el('article', { class: 'event k-' + item.kind },
      el('p', { class: 'head' }, el('span', { class: 'kind', text: byName('k_', item.kind) }),
        el('span', { class: 'from', 'data-platform': item.platform || 'none', text: item.platform ? t[item.platform] || item.platform : t.schedule }),
        item.via && el('span', { class: 'via', 'data-via': item.via, text: byName('v_', item.via) }),
        el('time', { text: secondFormat.format(item.at_ms) }), ms(item.accepted_ms)),
      item.summary && el('p', { class: 'summary', text: item.summary }),
      rules.length || rest.length ? el('ol', { class: 'steps' }, ...rules, ...rest) : el('p', { class: 'what', text: t.no_rule }));
  }
  const traceNodes = new Map();
  function drawTrace() {
    const chat = current();
    const only = $('only-chat').checked;
    const fits = (i) => !only || (chat && i.platform === state.platform && i.chat === chat.id);
    const items = [...state.trace.values()].filter(fits).sort((a, b) => b.at_ms - a.at_ms || b.seq - a.seq).slice(0, 100);
    const wanted = items.map((item) => {
      const old = traceNodes.get(item.id);
      if (old && old.seq === item.seq) return old.node;
      const li = el('li', { class: old || state.quietTrace ? '' : 'arrived' }, traceCard(item));
      traceNodes.set(item.id, { seq: item.seq, node: li });
      return li;
    });
    const box = $('trace');
    let cursor = box.firstChild;
    for (const n of wanted) {
      if (n === cursor) cursor = cursor.nextSibling;
      else box.insertBefore(n, cursor);
    }
    while (cursor) {
      const next = cursor.nextSibling;
      cursor.remove();
      cursor = next;
    }
    $('no-trace').hidden = wanted.length > 0;
    $('no-trace').querySelector('p').textContent = only && state.platform !== 'feishu' && chat && chat.group ? t.not_seen : t.no_trace_more;
  }
  function addTrace(items) {
    state.quietTrace = state.trace.size === 0 && items.length > 3;
    for (const item of items) {
      state.trace.set(item.id, item);
      state.since = Math.max(state.since, item.seq);
    }
    if (state.trace.size > 400) {
      const old = [...state.trace.values()].sort((a, b) => a.seq - b.seq).slice(0, state.trace.size - 400);
      for (const item of old) { state.trace.delete(item.id); traceNodes.delete(item.id); }
    }
    drawTrace();
    state.quietTrace = false;
  }

  /* ---------- time ---------- */

  function drawClock() {
    $('clock-time').textContent = hourFormat.format(state.now);
    $('clock-date').textContent = dayFormat.format(state.now);
  }
  async function moveTime(jumpTo) {
    const buttons = document.querySelectorAll('[data-jump]');
    for (const b of buttons) b.disabled = true;
    $('moving').hidden = false;
    try {
      const data = await ask('time', { jump: jumpTo });
      state.now = data.now_ms;
      drawClock();
      toast(format(t.moved, { time: `${dayFormat.format(state.now)} ${hourFormat.format(state.now)}` }));
      soon();
    } catch (error) {
      failed(error);
    }
    $('moving').hidden = true;
    for (const b of buttons) b.disabled = false;
  }

  /* ---------- people come and go ---------- */

  // Names that nobody in the company has.
  const NEW_NAMES = ['安小满', '白一诺', '常知夏', '邓云舟', '方听雨', '葛星野', '洪见山', '姜南枝', '柯望舒', '龙青禾', '倪向晚', '尚可期'];
  const departmentName = (id) => here().departments.find((d) => d.id === id)?.path || '';
  const hrPerson = () => here().byId.get($('hr-person').value);
  function drawHr() {
    const chat = current();
    const owner = chat && chat.group && here().byId.get(chat.owner);
    const people = here().people.filter((p) => p.active);
    const option = (p) => el('option', { value: p.id, text: `${p.name} · ${p.department.split(' / ').pop()} · ${p.title}` });
    const before = $('hr-person').value;
    $('hr-person').replaceChildren(
      ...(owner && owner.active ? [el('optgroup', { label: t.hr_owner }, option(owner))] : []),
      el('optgroup', { label: t.hr_everybody }, ...people.map(option)),
    );
    if (people.some((p) => p.id === before)) $('hr-person').value = before;
    const department = $('hr-department').value;
    $('hr-department').replaceChildren(...here().departments.map((d) => el('option', { value: d.id, text: d.path })));
    if (here().departments.some((d) => d.id === department)) $('hr-department').value = department;
    $('hr-where').textContent = format(t.hr_where, { platform: t[state.platform] });
    drawHrNow();
  }
  function drawHrNow() {
    const person = hrPerson();
    $('hr-now').textContent = person ? format(t.hr_is_in, { department: person.department }) : '';
  }
  async function hr(verb, change, told) {
    const buttons = document.querySelectorAll('#hr button');
    for (const b of buttons) b.disabled = true;
    const done = await act(verb);
    for (const b of buttons) b.disabled = false;
    if (!done) return;
    change();
    toast(told);
    drawHr();
    soon();
  }
  function transfer() {
    const [person, id] = [hrPerson(), $('hr-department').value];
    if (!person || person.department_id === id) return;
    const department = departmentName(id);
    hr({ do: 'transfer', person: person.id, department: id }, () => { person.department_id = id; person.department = department; },
      format(t.hr_moved, { name: person.name, department }));
  }
  function quit() {
    const person = hrPerson();
    if (!person) return;
    hr({ do: 'quit', person: person.id }, () => { person.active = false; }, format(t.hr_left, { name: person.name }));
  }
  function hire() {
    const id = $('hr-department').value;
    const taken = new Set(here().people.map((p) => p.name));
    const name = NEW_NAMES.find((n) => !taken.has(n)) || `新同事${here().people.length}`;
    const n = here().people.length + 1;
    const person = {
      id: `u_new${n}`, name, employee_no: `N${state.platform[0].toUpperCase()}${n}`, department: id, email: `new${n}@example.com`,
      mobile: `1990099${String(n).padStart(4, '0')}`, title: boot.lang === 'zh' ? '新同事' : 'New colleague', leader: null, active: true,
    };
    const shown = { id: person.id, name, no: person.employee_no, department: departmentName(id), department_id: id, title: person.title, active: true };
    hr({ do: 'hire', person }, () => {
      here().people.push(shown);
      here().byId.set(shown.id, shown);
      colleagues.set(shown.no, { ...shown, ids: { [state.platform]: shown.id } });
    }, format(t.hr_hired, { name, department: shown.department }));
  }

  /* ---------- how the bot receives ---------- */

  const lamp = (r) => (r.receive === 'callback' ? 'callback' : r.standing === 'ready' ? 'live' : 'down');
  function drawReceive() {
    for (const r of state.receives) {
      const way = document.querySelector(`.platform[data-platform="${r.platform}"] .way`);
      if (!way) continue;
      way.hidden = false;
      way.dataset.lamp = lamp(r);
      way.textContent = byName('v_', r.receive);
      way.title = r.standing ? byName('l_', r.standing) : t.by_callback;
    }
    const r = state.receives.find((x) => x.platform === state.platform);
    $('receive').hidden = !r;
    if (!r) return;
    for (const b of document.querySelectorAll('[data-receive]')) {
      b.setAttribute('aria-pressed', String(b.dataset.receive === r.receive));
      b.disabled = Boolean(state.switching);
    }
    const why = r.why && r.why[boot.lang === 'zh' ? 0 : 1];
    const words = r.receive === 'callback' ? [t.by_callback] : [byName('l_', r.standing || 'idle'),
      r.reconnects && format(t.reconnects, { n: r.reconnects, why: why || '' }), r.mixed && t.mixed];
    const text = state.switching ? t.switching : words.filter(Boolean).join(' · ');
    $('receive-state').dataset.lamp = state.switching ? 'down' : lamp(r);
    // Only what is new is read out.
    if ($('receive-text').textContent !== text) $('receive-text').textContent = text;
  }
  async function switchTo(receive) {
    const platform = state.platform;
    if (state.switching || state.receives.find((r) => r.platform === platform)?.receive === receive) return;
    state.switching = true;
    drawReceive();
    try {
      state.receives = await ask('receive', { platform, receive });
      toast(format(t.switched, { platform: t[platform], way: byName('v_', receive) }));
    } catch (error) {
      failed(error);
    }
    state.switching = false;
    drawReceive();
  }

  /* ---------- live ---------- */

  let timer = 0;
  function soon() {
    // The first change starts the wait; later ones do not put it off, or a busy week would show nothing.
    timer ||= setTimeout(() => { timer = 0; refreshChats(); }, 80);
  }
  function listen() {
    const source = new EventSource('api/events?since=' + state.since);
    source.addEventListener('open', () => { $('offline').hidden = true; soon(); });
    source.addEventListener('error', () => { $('offline').hidden = false; });
    source.addEventListener('revision', (e) => {
      const { platform } = JSON.parse(e.data);
      if (platform === state.platform) soon();
      else document.querySelector(`.platform[data-platform="${platform}"] .dot`)?.removeAttribute('hidden');
    });
    source.addEventListener('trace', (e) => addTrace(JSON.parse(e.data)));
    source.addEventListener('receive', (e) => { state.receives = JSON.parse(e.data); drawReceive(); });
    source.addEventListener('time', (e) => {
      const day = dayNumber(state.now);
      state.now = JSON.parse(e.data).now_ms;
      drawClock();
      if (dayNumber(state.now) !== day) drawItems();
    });
  }

  /* ---------- wiring ---------- */

  for (const b of document.querySelectorAll('.platform')) b.addEventListener('click', () => { if (b.dataset.platform !== state.platform) choosePlatform(b.dataset.platform); pane('list'); });
  for (const b of document.querySelectorAll('[data-tab]')) b.addEventListener('click', () => pane(b.dataset.tab));
  for (const b of document.querySelectorAll('[data-jump]')) b.addEventListener('click', () => moveTime(b.dataset.jump));
  for (const b of document.querySelectorAll('[data-receive]')) b.addEventListener('click', () => switchTo(b.dataset.receive));
  for (const b of document.querySelectorAll('[data-close]')) b.addEventListener('click', () => b.closest('dialog').close());
  for (const d of document.querySelectorAll('dialog')) d.addEventListener('click', (e) => { if (e.target === d) d.close(); });
  $('me').addEventListener('click', () => { $('people-filter').value = ''; drawPeople(); $('people').showModal(); $('people-filter').focus(); });
  $('people-filter').addEventListener('input', drawPeople);
  $('people-filter').addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && !e.isComposing) { e.preventDefault(); $('people-list').querySelector('button')?.click(); }
    if (e.key === 'ArrowDown') { e.preventDefault(); $('people-list').querySelector('button')?.focus(); }
  });
  for (const id of ['people-list', 'member-list', 'chats']) {
    $(id).addEventListener('keydown', (e) => {
      if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return;
      const all = [...$(id).querySelectorAll('button')];
      const at = all.indexOf(document.activeElement);
      const next = all[at + (e.key === 'ArrowDown' ? 1 : -1)];
      if (at >= 0 && next) { e.preventDefault(); next.focus(); }
    });
  }
  $('hr-open').addEventListener('click', () => { drawHr(); $('hr').showModal(); });
  $('hr-person').addEventListener('change', drawHrNow);
  $('hr-transfer').addEventListener('click', transfer);
  $('hr-quit').addEventListener('click', quit);
  $('hr-hire').addEventListener('click', hire);
  $('chat-filter').addEventListener('input', drawChats);
  $('members').addEventListener('click', () => { drawMembers(); $('member-sheet').showModal(); });
  $('leave').addEventListener('click', async () => { $('member-sheet').close(); await act({ do: 'leave', person: me().id, chat: current().id }); refreshChats(); });
  $('join').addEventListener('click', async () => { await act({ do: 'join', person: me().id, chat: current().id }); refreshChats(); });
  $('to-list').addEventListener('click', () => pane('list'));
  $('to-back').addEventListener('click', () => { document.body.classList.toggle('backopen'); });
  $('close-back').addEventListener('click', () => { document.body.classList.remove('backopen'); });
  $('only-chat').addEventListener('change', drawTrace);
  $('cancel-reply').addEventListener('click', () => setReply(null));
  $('newer').addEventListener('click', toBottom);
  $('at').addEventListener('click', () => insert('@'));
  $('composer').addEventListener('submit', (e) => { e.preventDefault(); send(); });
  $('examples').append(...boot.examples.map(([label, text]) => el('button', { type: 'button', class: 'chip', text: label, onclick: () => example(text) })));
  $('log').addEventListener('scroll', () => {
    const log = $('log');
    if (log.scrollHeight - log.scrollTop - log.clientHeight < 60) $('newer').hidden = true;
    if (log.scrollTop < 120 && state.more && !state.loading) {
      state.loading = true;
      state.limit += PAGE;
      refreshScreen(true).finally(() => { state.loading = false; });
    }
  });
  const input = $('input');
  input.addEventListener('input', () => { grow(); updatePicker(); });
  input.addEventListener('click', updatePicker);
  input.addEventListener('blur', () => setTimeout(() => { if (document.activeElement !== input) closePicker(); }, 120));
  input.addEventListener('keydown', (e) => {
    // While an input method composes, Enter belongs to it (229 is what some of them report).
    if (e.isComposing || e.keyCode === 229) return;
    if (state.pick) {
      if (e.key === 'ArrowDown' || e.key === 'ArrowUp') { e.preventDefault(); movePick(e.key === 'ArrowDown' ? 1 : -1); return; }
      if (e.key === 'Enter' || e.key === 'Tab') { e.preventDefault(); choose(state.pick.at); return; }
      if (e.key === 'Escape') { e.preventDefault(); closePicker(); return; }
    }
    if (e.key === 'Enter' && !e.shiftKey) { e.preventDefault(); send(); }
    if (e.key === 'Escape' && state.reply) setReply(null);
  });

  const params = new URLSearchParams(location.search);
  const start = platforms.has(params.get('p')) ? params.get('p') : boot.platforms[0].id;
  if (platforms.get(start).byId.has(params.get('u'))) state.viewer[start] = params.get('u');
  drawClock();
  drawTrace();
  pane(params.get('c') ? 'talk' : 'list');
  choosePlatform(start, params.get('c') || undefined);
  listen();
})();
