// What a message is made of: turns the parts of a message into elements. Plain script, loaded
// before demo.js. Text is set with textContent only; links go to http and https only.
'use strict';
globalThis.messageKit = (app) => {
  const t = app.t;
  const SVG = 'http://www.w3.org/2000/svg';

  function el(tag, props = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (value === undefined || value === null || value === false) continue;
      if (name === 'text') node.textContent = value;
      else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? '' : value);
    }
    for (const child of children) if (child) node.append(child);
    return node;
  }
  function svg(tag, attrs = {}, ...children) {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  function plain(item) {
    return item.parts.map((p) => p.part === 'mention' ? '@' + p.name + ' ' : p.part === 'break' ? ' ' : p.text || p.label || p.title || p.alt || '').join('').trim().slice(0, 120);
  }
  function link(url) {
    try {
      const parsed = new URL(url, location.href);
      return parsed.protocol === 'http:' || parsed.protocol === 'https:' ? parsed.href : null;
    } catch {
      return null;
    }
  }
  function parts(item) {
    const out = [];
    let line = null;
    let list = null;
    const inline = (n) => {
      list = null;
      if (!line) out.push(line = el('p'));
      line.append(n);
    };
    const block = (n) => {
      line = list = null;
      out.push(n);
    };
    for (const p of item.parts) {
      switch (p.part) {
        case 'title': block(el('h3', { class: 'title', 'data-color': p.color || 'default', text: p.text })); break;
        case 'text': inline(document.createTextNode(p.text)); break;
        case 'strong': inline(el('strong', { text: p.text })); break;
        case 'mention': inline(el('span', { class: p.everyone || app.isMe(p.user) ? 'mention self' : 'mention', text: '@' + (p.everyone ? t.everyone : p.name) })); break;
        case 'link': {
          const href = link(p.url);
          inline(href ? el('a', { href, target: '_blank', rel: 'noopener noreferrer', text: p.label || p.url }) : document.createTextNode(p.label || p.url));
          break;
        }
        case 'break': line = list = null; break;
        case 'quote': block(el('blockquote', { text: p.text })); break;
        case 'note': block(el('p', { class: 'note', text: p.text })); break;
        case 'divider': block(el('hr')); break;
        case 'list_item': {
          if (!list || list.ordered !== p.ordered) {
            list = { ordered: p.ordered, node: el(p.ordered ? 'ol' : 'ul') };
            out.push(list.node);
          }
          line = null;
          list.node.append(el('li', { value: p.ordered ? p.number : null, text: p.text }));
          break;
        }
        case 'table': block(table(p)); break;
        case 'chart': block(chart(p)); break;
        case 'image': block(picture(p)); break;
        case 'buttons': block(el('div', { class: 'buttons' }, ...p.buttons.map((b) => button(item, b)))); break;
        case 'form': block(form(item, p)); break;
        case 'toast': block(el('p', { class: 'toastpart', role: 'status', text: p.text })); break;
        default: break;
      }
    }
    return out;
  }
  function table(p) {
    const numeric = p.columns.map((_, i) => p.rows.length > 0 && p.rows.every((r) => /^[▲▼+−-]?[\d.,\s%–]+$/.test(r[i] || '')));
    return el('div', { class: 'tablewrap', tabindex: 0, role: 'region', 'aria-label': t.table }, el('table', {},
      el('thead', {}, el('tr', {}, ...p.columns.map((c, i) => el('th', { scope: 'col', class: numeric[i] ? 'num' : null, text: c })))),
      el('tbody', {}, ...p.rows.map((r) => el('tr', {}, ...r.map((c, i) => el('td', { class: numeric[i] ? 'num' : null, text: c })))))));
  }
  function picture(p) {
    const alt = el('figure', { class: 'noimage' }, el('span', { 'aria-hidden': 'true', text: '🖼' }), el('figcaption', { text: p.alt }));
    const image = el('img', { src: app.picture(p.handle), alt: p.alt, loading: 'lazy' });
    image.addEventListener('error', () => image.replaceWith(alt), { once: true });
    return image;
  }
  function chart(p) {
    const [w, h, left, bottom, top] = [360, 168, 34, 26, 12];
    const values = p.series.flatMap(([, v]) => v).filter((v) => v !== null);
    const high = Math.max(1, ...values);
    const low = Math.min(0, ...values);
    const step = Math.max(1, 10 ** Math.floor(Math.log10((high - low) / 2)));
    const nice = [1, 2, 5, 10].map((k) => k * step).find((k) => (high - low) / k <= 4) || step * 10;
    const max = Math.ceil(high / nice) * nice;
    const min = Math.floor(low / nice) * nice;
    const y = (v) => top + (h - top - bottom) * (1 - (v - min) / (max - min));
    const n = Math.max(1, p.categories.length);
    const slot = (w - left - 6) / n;
    const lines = n > 8;
    const root = svg('svg', { viewBox: `0 0 ${w} ${h}`, class: 'chart', role: 'img', 'aria-label': t.chart_of.replace('{name}', p.title) });
    for (let v = min; v <= max; v += nice) {
      const label = svg('text', { x: left - 6, y: y(v) + 3.5, class: 'axis end' });
      label.textContent = v;
      root.append(svg('line', { x1: left, x2: w - 4, y1: y(v), y2: y(v), class: v === 0 ? 'zero' : 'grid' }), label);
    }
    p.series.forEach(([name, points], s) => {
      const group = svg('g', { class: 's' + (s % 5) });
      if (lines) {
        let d = '';
        points.forEach((v, i) => { if (v !== null) d += `${d && points[i - 1] !== null ? 'L' : 'M'}${left + slot * (i + 0.5)} ${y(v)}`; });
        group.append(svg('path', { d, class: 'line' }));
      } else {
        const width = Math.min(26, slot * 0.72 / p.series.length);
        points.forEach((v, i) => {
          if (v === null) return;
          const x = left + slot * (i + 0.5) - width * p.series.length / 2 + width * s;
          const bar = svg('rect', { x: x + 1, y: Math.min(y(v), y(0)), width: width - 2, height: Math.max(1, Math.abs(y(v) - y(0))), rx: 3 });
          const title = svg('title');
          title.textContent = `${p.categories[i]} ${name}: ${v}${p.unit}`;
          bar.append(title);
          group.append(bar);
          if (p.series.length === 1) {
            const label = svg('text', { x: x + width / 2, y: y(Math.max(v, 0)) - 3, class: 'value' });
            label.textContent = v;
            group.append(label);
          }
        });
      }
      root.append(group);
    });
    const every = Math.ceil(n * 34 / (w - left));
    p.categories.forEach((name, i) => {
      if (i % every) return;
      const label = svg('text', { x: left + slot * (i + 0.5), y: h - 9, class: 'axis middle' });
      const room = Math.max(2, Math.floor(slot * every / 11));
      label.textContent = name.length > room ? name.slice(0, room - 1) + '…' : name;
      root.append(label);
    });
    const legend = p.series.length > 1 && el('p', { class: 'legend' }, ...p.series.map(([name], s) => el('span', { class: 's' + (s % 5), text: name })));
    return el('figure', { class: 'figure' }, el('figcaption', {}, el('strong', { text: p.title }), p.unit && el('small', { text: p.unit })), root, legend || null);
  }
  function button(item, b) {
    return el('button', { type: 'button', class: 'cardbutton ' + b.style, text: b.label, onclick: (e) => click(item, b.action, {}, e.currentTarget) });
  }
  async function click(item, action, values, pressed) {
    pressed.disabled = true;
    pressed.classList.add('busy');
    await app.click(item, action, values);
    pressed.disabled = false;
    pressed.classList.remove('busy');
  }
  function form(item, p) {
    const fields = p.fields.map((f) => {
      const id = `f-${item.id}-${f.name}`;
      const caption = [f.label, f.required && el('span', { class: 'required', text: t.required })];
      if (f.kind === 'multi_select') {
        return el('fieldset', { class: 'formfield' }, el('legend', {}, ...caption),
          ...f.options.map(([value, label]) => el('label', { class: 'check' }, el('input', { type: 'checkbox', name: f.name, value }), el('span', { text: label }))));
      }
      const common = { id, name: f.name, required: f.required || null };
      const field = f.kind === 'textarea' ? el('textarea', { ...common, rows: 3 })
        : f.kind === 'select' ? el('select', common, el('option', { value: '', text: t.choose }), ...f.options.map(([value, label]) => el('option', { value, text: label })))
          : el('input', { ...common, type: f.kind === 'date' ? 'date' : 'text', autocomplete: 'off' });
      return el('div', { class: 'formfield' }, el('label', { for: id }, ...caption), field);
    });
    const send = el('button', { type: 'submit', class: 'cardbutton ' + (p.submit.style || 'primary'), text: p.submit.label || t.submit });
    return el('form', {
      class: 'cardform',
      onsubmit: (e) => {
        e.preventDefault();
        const values = {};
        for (const [name, value] of new FormData(e.currentTarget)) if (value !== '') (values[name] ||= []).push(value);
        click(item, p.submit.action, values, send);
      },
    }, ...fields, el('div', { class: 'buttons' }, send));
  }

  return { el, svg, plain, parts };
};
