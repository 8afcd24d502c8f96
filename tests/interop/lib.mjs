// What the interop tests in JavaScript share: the simulators' addresses and secrets, the control
// interface, and counted checks. SDKs are loaded with `sdk(name)` from the folder that run.sh made.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const sdk = createRequire(`${process.env.INTEROP_MODULES}/package.json`);

// The written configuration is plain: tables of `key = "text" | number | true`.
function parse(text) {
  const config = { app: [] };
  let table = config;
  for (const line of text.split('\n')) {
    const head = line.match(/^\[\[(\w+)\]\]$/) ?? line.match(/^\[(\w+)\]$/);
    if (head) {
      table = {};
      if (line.startsWith('[[')) (config[head[1]] ??= []).push(table);
      else config[head[1]] = table;
      continue;
    }
    const pair = line.match(/^(\w+) = (.+)$/);
    if (pair && /^("|\d|true|false)/.test(pair[2])) table[pair[1]] = JSON.parse(pair[2]);
  }
  return config;
}

export const config = parse(readFileSync(process.env.INTEROP_CONFIG, 'utf8'));
export const app = (kind) => config.app.find((a) => a.platform === kind);

let failed = 0;
export function check(name, good, detail = '') {
  if (good) console.log(`ok ${name}`);
  else {
    failed += 1;
    console.log(`not ok ${name} ${detail}`);
  }
  return Boolean(good);
}
export const equal = (name, found, wanted) =>
  check(name, JSON.stringify(found) === JSON.stringify(wanted), `found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
// Ends the program, also when an SDK keeps timers or sockets.
export const done = () => process.exit(failed ? 1 : 0);
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export async function until(what, ms = 15000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await what();
    if (value || Date.now() > end) return value;
    await sleep(50);
  }
}

export class Sim {
  constructor(baseUrl) {
    this.base = baseUrl.replace(/\/$/, '');
  }
  async call(path, body) {
    const answer = await fetch(`${this.base}/_sim/${path}`, body === undefined ? {} : {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }
  info = () => this.call('info');
  people = () => this.call('people');
  chats = () => this.call('chats');
  screen = (chat, viewer, limit = 50) => this.call(`screen?${new URLSearchParams({ chat, viewer, limit })}`);
  act = (verb) => this.call('act', verb);
  fault = (fault) => this.call('fault', fault);
  subscribe = (app, url) => this.call('subscribe', { app, url });
  complaints = () => this.call('complaints');
}
