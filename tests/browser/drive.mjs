// Drives the demo page in a real browser and fails when something a visitor would notice is wrong.
//
//   node drive.mjs http://127.0.0.1:8080 [folder for screenshots] [path of chromium]
//
// What it does: picks a person, thanks a colleague in a group of every platform and waits for the
// bot's line, asks for points in private, presses a button (or sends a form) and waits for the
// answer, moves the time, and looks at both languages and at the width of a phone.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [base, folder = 'screenshots', executablePath = process.env.CHROMIUM || '/usr/bin/chromium'] = process.argv.slice(2);
if (!base) {
  console.error('usage: node drive.mjs BASE_URL [SCREENSHOT_FOLDER] [CHROMIUM]');
  process.exit(2);
}
const PATIENCE = 20_000;
const failures = [];
const done = [];

async function step(name, work) {
  const begin = Date.now();
  try {
    const note = await work();
    done.push(name);
    console.log(`ok    ${name} (${Date.now() - begin} ms)${note ? ': ' + note : ''}`);
  } catch (error) {
    failures.push(name);
    console.log(`FAIL  ${name}: ${String(error.message || error).split('\n').slice(0, 4).join(' | ')}`);
  }
}
function check(condition, text) {
  if (!condition) throw new Error(text);
}
async function until(what, test, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await test();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((go) => setTimeout(go, 100));
  }
}

await mkdir(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
});

async function open(options, path = '') {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'zh-CN', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(`script: ${error.message}`));
  page.on('console', (message) => {
    // A refused act (409) is told to the visitor; everything else is our fault.
    if (message.type() === 'error' && !/40[49]/.test(message.text())) page.complaints.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(base).origin) page.complaints.push(`asks elsewhere: ${request.url()}`);
  });
  await page.goto(new URL(path, base).href);
  await page.locator('#chats .chat').first().waitFor({ state: 'attached' });
  return page;
}
const shot = (page, name) => page.screenshot({ path: join(folder, `${name}.png`) });
const quiet = (page) => check(page.complaints.length === 0, page.complaints.join('; '));

/** Ids of the bot's items in the open chat. */
const botItems = (page) => page.locator('.msg.frombot').evaluateAll((all) => all.map((n) => n.dataset.id));
async function newBotItem(page, before, matches = /./s) {
  return until(`an answer of the bot that matches ${matches}`, async () => {
    for (const item of await page.locator('.msg.frombot').elementHandles()) {
      const id = await item.getAttribute('data-id').catch(() => null);
      if (!id || before.includes(id)) continue;
      const text = await item.innerText().catch(() => '');
      if (matches.test(text)) return { id, text };
    }
    return null;
  });
}
async function say(page, text) {
  await page.fill('#input', text);
  await page.keyboard.press('Escape');
  await page.press('#input', 'Enter');
  await until('an empty message field', async () => (await page.inputValue('#input')) === '');
}

/* ---------- a desktop, in Chinese ---------- */

const page = await open({});
const platforms = await page.locator('.platform').evaluateAll((all) => all.map((b) => b.dataset.platform));

await step('the page is ready within a second', async () => {
  const ms = await page.evaluate(async () => {
    const [entry] = performance.getEntriesByType('navigation');
    return entry.domContentLoadedEventEnd;
  });
  check(ms < 1000, `${Math.round(ms)} ms`);
  check((await page.getAttribute('html', 'lang')) === 'zh-CN', 'Chinese for a Chinese browser');
  return `${Math.round(ms)} ms`;
});

await step('a person is found by department and chosen', async () => {
  await page.click('#me');
  await page.fill('#people-filter', '测试');
  const count = await page.locator('#people-list .person').count();
  check(count > 0 && count < 60, `${count} people for one department`);
  const name = await page.locator('#people-list .person strong').nth(1).innerText();
  await shot(page, 'people');
  await page.locator('#people-list .person').nth(1).click();
  await until('the chosen person', async () => (await page.innerText('#me-name')) === name);
  return name;
});

/** Who was thanked on each platform. */
const thanked = {};
async function become(page, name) {
  await page.click('#me');
  await page.fill('#people-filter', name);
  await page.locator('#people-list .person').first().click();
  await until('the chosen person', async () => (await page.innerText('#me-name')) === name);
}

for (const platform of platforms) {
  await step(`${platform}: thanks in a group are answered`, async () => {
    await page.click(`.platform[data-platform="${platform}"]`);
    await until('the platform', () => page.evaluate((p) => document.body.dataset.platform === p, platform));
    const groups = page.locator('#chats ul').last().locator('.chat');
    await groups.first().waitFor();
    // The first group of which the visitor is a member.
    for (const key of await page.locator('#chats .chat').evaluateAll((all) => all.map((b) => b.dataset.key))) {
      if (key.startsWith('app:')) continue;
      await page.click(`#chats .chat[data-key="${key}"]`);
      await page.locator('#composer, #join').locator('visible=true').first().waitFor();
      if (await page.isVisible('#composer')) break;
    }
    await page.locator('.msg').first().waitFor();
    const before = await botItems(page);
    await page.locator('#examples .chip').first().click();
    await page.locator('#picker li').first().waitFor();
    await page.keyboard.press('Enter');
    await page.locator('#input').pressSequentially('帮我一起定位了驱动掉帧的问题 #客户第一');
    const typed = await page.inputValue('#input');
    const receiver = /感谢 @(\S+) /.exec(typed)?.[1];
    check(receiver, `a colleague is named in "${typed}"`);
    thanked[platform] = receiver;
    await page.keyboard.press('Enter');
    const mine = page.locator('.msg.mine').last();
    await until('the own message', async () => (await mine.innerText()).includes('定位了驱动掉帧'));
    check((await mine.locator('.mention').count()) === 2, 'the bot and the colleague are mentioned');
    const answer = await newBotItem(page, before, /分|\+\d|谢|point/i);
    await shot(page, `${platform}-thanks`);
    return answer.text.replace(/\s+/g, ' ').slice(0, 80);
  });

  await step(`${platform}: the steps behind it are shown`, async () => {
    const event = page.locator('#trace .event').first();
    await event.waitFor();
    await until('a delivered effect', async () => (await page.locator('#trace .state.s-sent, #trace .state.s-done').count()) > 0);
  });

  await step(`${platform}: a private card answers to a click`, async () => {
    // Who was thanked has points, and their card has a button.
    if (thanked[platform]) await become(page, thanked[platform]);
    const direct = page.locator('#chats .chat[data-key^="app:"]');
    if ((await direct.count()) === 0) return 'no private chat on this platform';
    await direct.first().click();
    await page.locator('#composer').waitFor();
    for (const command of ['/积分', '/帮助', '/周报', '/排行', '/我']) {
      const before = await botItems(page);
      await say(page, command);
      const { id } = await newBotItem(page, before);
      const card = page.locator(`.msg[data-id="${id}"]`);
      if (command === '/积分') check(/\d/.test(await card.innerText()), 'the points are a number');
      const button = card.locator('.buttons .cardbutton[type=button]:not(.danger)').first();
      const form = card.locator('.cardform');
      const pressable = (await button.count()) > 0;
      if (!pressable && (await form.count()) === 0) continue;
      const said = await page.innerText('#messages');
      if (pressable) await button.click();
      else {
        for (const input of await form.locator('input[type=text], textarea').all()) await input.fill('接线图放进知识库');
        for (const box of await form.locator('input[type=checkbox]').all()) await box.check();
        await form.locator('[type=submit]').click();
      }
      await until('a changed card or an answer', async () => (await page.innerText('#messages')) !== said);
      await shot(page, `${platform}-card`);
      return `${command}, ${pressable ? 'button' : 'form'}`;
    }
    throw new Error('no command was answered with buttons or a form');
  });
}

await step('Enter that belongs to an input method sends nothing', async () => {
  await page.fill('#input', '输入中');
  const before = await page.locator('.msg').count();
  await page.evaluate(() => {
    const field = document.getElementById('input');
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }));
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true }));
  });
  await page.waitForTimeout(300);
  check((await page.inputValue('#input')) === '输入中', 'the text stays');
  check((await page.locator('.msg').count()) === before, 'nothing was sent');
  await page.fill('#input', '');
});

await step('what people write stays text', async () => {
  const evil = '<img src=x onerror="document.title=1"> <b>粗</b> [点我](javascript:alert(1))';
  await say(page, evil);
  const mine = page.locator('.msg.mine').last();
  await until('the own message', async () => (await mine.innerText()).includes('<b>粗</b>'));
  check((await page.locator('#messages .bubble img, #messages .bubble b, #messages a[href^="javascript"]').count()) === 0, 'no markup came out of it');
});

await step('older messages load at the top', async () => {
  const key = await page.locator('#chats .chat:not([data-key^="app:"])').first().getAttribute('data-key');
  await page.click(`#chats .chat[data-key="${key}"]`);
  await page.locator('.msg').first().waitFor();
  const before = await page.locator('.msg').count();
  if (before < 50) return `only ${before} messages in this chat`;
  await page.locator('#log').evaluate((n) => n.scrollTo(0, 0));
  await until('more messages', async () => (await page.locator('.msg').count()) > before || /开头/.test(await page.innerText('#older')));
  return `${before}, then ${await page.locator('.msg').count()}`;
});

await step('a platform can be switched to a long connection, and the bot still answers', async () => {
  // The platform whose bot also hears private chats over it.
  const platform = 'dingtalk';
  await page.click(`.platform[data-platform="${platform}"]`);
  await until('the platform', () => page.evaluate((p) => document.body.dataset.platform === p, platform));
  const way = page.locator(`.platform[data-platform="${platform}"] .way`);
  check((await way.getAttribute('data-lamp')) === 'callback', 'it begins with callbacks');
  const begin = Date.now();
  await page.click('[data-receive="long_connection"]');
  await until('a live connection', async () => (await way.getAttribute('data-lamp')) === 'live');
  const took = Date.now() - begin;
  check((await page.getAttribute('[data-receive="long_connection"]', 'aria-pressed')) === 'true', 'the switch shows it');
  check(/已连接/.test(await page.innerText('#receive-state')), 'the state is named');
  check((await page.locator('.msg').count()) > 0, 'the history is still there');
  const direct = page.locator('#chats .chat[data-key^="app:"]').first();
  await direct.click();
  await page.locator('#composer').waitFor();
  const before = await botItems(page);
  await say(page, '/排行');
  const answer = await newBotItem(page, before);
  await until('how it came', async () => (await page.locator('#trace .event .via').first().innerText()) === '长连接');
  await shot(page, 'long-connection');
  // Others are as they were.
  for (const other of platforms.filter((p) => p !== platform)) {
    check((await page.getAttribute(`.platform[data-platform="${other}"] .way`, 'data-lamp')) === 'callback', `${other} stays`);
  }
  return `${took} ms, ${answer.text.replace(/\s+/g, ' ').slice(0, 40)}`;
});

await step('the time can be moved', async () => {
  const before = await page.innerText('#clock-time');
  await page.click('[data-jump="hour"]');
  await until('another time', async () => (await page.innerText('#clock-time')) !== before, 120_000);
  return `${before} to ${await page.innerText('#clock-time')}`;
});

await step('somebody moves and somebody begins, and the groups follow after three working days', async () => {
  const first = page.locator('#chats .chat[data-key^="app:"]').first();
  const personOf = (title) => page.evaluate((t) => {
    const feishu = JSON.parse(document.getElementById('boot').textContent).platforms.find((p) => p.id === 'feishu');
    return feishu.people.find((p) => p.title === t).name;
  }, title);
  /** Types to the bot in private and gives back what it says. */
  const asks = async (text, matches) => {
    await first.click();
    await page.locator('#composer').waitFor();
    const before = await botItems(page);
    await say(page, text);
    return (await newBotItem(page, before, matches)).text;
  };
  const apply = async () => {
    const plan = await asks('/建群 预览 规则=rd', /计划=/);
    const code = /计划=(\w+)/.exec(plan)[1];
    await asks(`/建群 执行 规则=rd 计划=${code}`, /./s);
    return plan;
  };
  const members = (name) => page.evaluate(async ([name, viewer]) => {
    const { chats } = await (await fetch(`api/chats?platform=feishu&viewer=${viewer}`)).json();
    return chats.find((c) => c.name === name)?.members || [];
  }, [name, new URL(page.url()).searchParams.get('u')]);
  await page.click('.platform[data-platform="feishu"]');
  await until('the platform', () => page.evaluate(() => document.body.dataset.platform === 'feishu'));
  const operator = await personOf('人力行政经理');
  await become(page, operator);
  await apply();
  const [from, to] = ['嵌入式软件组·部门群', '硬件组·部门群'];
  await until('the groups', async () => (await members(from)).length > 3 && (await members(to)).length > 3, 60_000);

  await page.click('#hr-open');
  const choice = await page.locator('#hr-person option').evaluateAll((all) =>
    all.map((o) => ({ id: o.value, text: o.textContent })).find((o) => o.text.includes('嵌入式软件组 · 驱动工程师')));
  check(choice, 'somebody of the department can be chosen');
  const mover = choice.text.split(' · ')[0];
  await page.selectOption('#hr-person', choice.id);
  await page.selectOption('#hr-department', { label: '研发中心 / 硬件组' });
  await page.click('#hr-transfer');
  await until('the new department', async () => (await page.innerText('#hr-now')).includes('硬件组'));
  await page.selectOption('#hr-department', { label: '研发中心 / 嵌入式软件组' });
  const before = await page.locator('#hr-person option').count();
  await page.click('#hr-hire');
  await until('somebody new', async () => (await page.locator('#hr-person option').count()) === before + 1);
  await shot(page, 'people-move');
  await page.click('#hr [data-close]');

  await become(page, mover);
  await first.click();
  await until('the notice', async () => /3 个工作日/.test(await page.innerText('#messages')));
  await shot(page, 'moved-notice');
  check((await members(from)).includes(choice.id), 'they stay for some days');
  await page.click('[data-jump="three_workdays"]');
  await until('three working days', async () => !(await page.isVisible('#moving')), 240_000);
  await until('the old group without them', async () => !(await members(from)).includes(choice.id), 60_000);
  await become(page, operator);
  const plan = await apply();
  check(/加入/.test(plan), `the plan adds people: ${plan}`);
  await until('the new group with them', async () => (await members(to)).includes(choice.id), 60_000);
  await become(page, '安小满');
  await first.click();
  await until('the welcome', async () => /搭子是/.test(await page.innerText('#messages')));
  await shot(page, 'newcomer');
  return `${mover}: ${plan.replace(/\s+/g, ' ').slice(0, 60)}`;
});

await step('everything that can be pressed has a name', async () => {
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll('button, a, input, textarea, select')]
      .filter((n) => !(n.getAttribute('aria-label') || n.textContent.trim() || n.labels?.length || n.getAttribute('title')))
      .map((n) => n.outerHTML.slice(0, 80)));
  check(nameless.length === 0, nameless.join(' '));
  const ids = await page.evaluate(() => [...document.querySelectorAll('[id]')].map((n) => n.id));
  check(new Set(ids).size === ids.length, 'no id stands twice');
});

await step('the browser has nothing to complain about', async () => quiet(page));
await page.context().close();

/* ---------- English, dark, and a phone ---------- */

await step('English for an English browser, and a switch', async () => {
  const english = await open({ locale: 'en-GB', colorScheme: 'dark' });
  check((await english.getAttribute('html', 'lang')) === 'en', 'the language of the browser');
  await english.locator('.msg').first().waitFor({ state: 'attached' });
  check(/Behind the scenes/.test(await english.innerText('body')), 'English words');
  await shot(english, 'english-dark');
  await english.setViewportSize({ width: 390, height: 844 });
  await english.click('[data-tab="back"]');
  await english.click('#hr-open');
  await english.locator('#hr-transfer').waitFor();
  await shot(english, 'english-people');
  await english.click('#hr [data-close]');
  await english.setViewportSize({ width: 1440, height: 900 });
  const where = new URL(english.url());
  await english.click('#lang');
  await until('Chinese', async () => (await english.getAttribute('html', 'lang')) === 'zh-CN');
  check(new URL(english.url()).searchParams.get('c') === where.searchParams.get('c'), 'the chat stays open');
  await english.reload();
  check((await english.getAttribute('html', 'lang')) === 'zh-CN', 'the choice is remembered');
  quiet(english);
  await english.context().close();
});

for (const [width, height] of [[390, 844], [320, 640]]) {
  await step(`a phone of ${width} pixels shows one pane at a time and never scrolls sideways`, async () => {
    const phone = await open({ viewport: { width, height }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
    const sideways = async (where) => {
      const wide = await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth
        || document.body.scrollWidth - document.body.clientWidth || document.getElementById('log').scrollWidth - document.getElementById('log').clientWidth);
      check(wide <= 0, `${where}: ${wide} pixels too wide`);
      const panes = await phone.locator('.pane').evaluateAll((all) => all.filter((n) => n.offsetParent !== null || getComputedStyle(n).display !== 'none').length);
      check(panes === 1, `${where}: ${panes} panes`);
    };
    await sideways('list');
    await shot(phone, `phone${width}-list`);
    await phone.locator('#chats .chat:not([data-key^="app:"])').first().tap();
    await phone.locator('.msg').first().waitFor();
    await sideways('conversation');
    await shot(phone, `phone${width}-talk`);
    await phone.tap('#to-list');
    await phone.locator('#chats').waitFor();
    await phone.tap('[data-tab="back"]');
    await phone.locator('#clock-time').waitFor();
    await sideways('backstage');
    await shot(phone, `phone${width}-back`);
    await phone.tap('#hr-open');
    await phone.locator('#hr-transfer').waitFor();
    const inside = await phone.evaluate(() => {
      const sheet = document.getElementById('hr').getBoundingClientRect();
      return sheet.left >= 0 && sheet.right <= innerWidth && sheet.bottom <= innerHeight + 1;
    });
    check(inside, 'the sheet fits');
    await shot(phone, `phone${width}-people`);
    await phone.tap('#hr [data-close]');
    quiet(phone);
    await phone.context().close();
  });
}

await browser.close();
console.log(`\nscreenshots in ${folder}`);
console.log(`${done.length} passed, ${failures.length} failed`);
process.exit(failures.length ? 1 : 0);
