// Shows a run live and papers on demand. Whatever comes from papers or hosts becomes a text node, never markup.

const byId = (id) => document.getElementById(id);
const LOST_AFTER_MS = 25_000;
const MOST_WORKERS = 2000;

// ---- making and updating elements ----

/** An element: attributes by name, `style` by property, children as nodes or text. */
function make(tag, attributes = {}, ...children) {
  const svg = tag === "svg" || tag === "path";
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") for (const [property, each] of Object.entries(value)) made.style.setProperty(property, each);
    else if (name === "onclick") made.addEventListener("click", value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false)
    .map((each) => (each instanceof Node ? each : String(each))));
  return made;
}

/** Makes `old` like `fresh`, changing as little as possible: focus, selection and scrolling stay. */
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (name === "style") {
      if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
    } else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, [...fresh.childNodes]);
}

function morphChildren(parent, fresh) {
  const old = [...parent.childNodes];
  fresh.forEach((node, index) => (index < old.length ? morph(old[index], node) : parent.append(node)));
  old.slice(fresh.length).forEach((node) => node.remove());
}

// ---- words ----

const whole = new Intl.NumberFormat("en");
const count = (number) => whole.format(number);
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
const words = (name) => String(name).replaceAll("_", " ");

function duration(seconds) {
  for (const [unit, length] of [["days", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * length) return `${(seconds / length).toFixed(seconds < 10 * length ? 1 : 0)} ${unit}`;
  }
  return seconds < 10 && seconds % 1 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
}

function rate(perSecond) {
  if (!perSecond) return "0 papers/s";
  if (perSecond >= 10) return `${perSecond.toFixed(0)} papers/s`;
  if (perSecond >= 1) return `${perSecond.toFixed(1)} papers/s`;
  if (perSecond * 60 >= 1) return `${(perSecond * 60).toFixed(1)} papers/min`;
  return `${(perSecond * 3600).toFixed(1)} papers/h`;
}

/** A large number with three digits and a unit; smaller ones in full. */
function short(number) {
  if (number < 10_000) return count(number);
  const step = Math.min(Math.floor(Math.log10(Number(number.toPrecision(3))) / 3), 3);
  return `${(number / 1000 ** step).toPrecision(3)} ${["", "k", "M", "G"][step]}`;
}

const dollars = (millionths) => `$${(millionths / 1e6).toFixed(millionths && millionths < 95_000 ? 4 : 2)}`;
const spent = (each) => `${plural(each.requests, "call")}, ${short(each.input_tokens)} tokens in, ${short(each.output_tokens)} out${each.micro_usd ? `, ${dollars(each.micro_usd)}` : ""}`;

function bytes(number) {
  if (number < 1000) return `${number} B`;
  const step = Math.min(Math.floor(Math.log10(number) / 3), 4);
  return `${(number / 1000 ** step).toPrecision(3)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
}

function when(at, now = Date.now() / 1000) {
  const date = new Date(at * 1000);
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  if (Math.abs(at - now) < 43_200) return time;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })} ${time}`;
}

const LIMITS = {
  starting: "The run is starting.", network: "The network limits the pace.", rate: "A host's allowed rate limits the pace.",
  engine: "Parsing limits the pace.", model: "What the models allow limits the pace.", waiting: "Everything waits.", nothing_left: "Nothing is left to do.",
  stopping: "The run is stopping.", stopped: "Nothing runs.",
};

const CAUSES = {
  host: (wait) => `${wait.subject} is left alone`,
  refusal: (wait) => `${wait.subject} refuses us`,
  back_off: (wait) => `Another attempt after: ${words(wait.subject)}`,
  disk: () => "Room on the disk",
  rate: (wait) => `Their turn at ${wait.subject}`,
  restart: (wait) => `${wait.subject} starts again`,
  model: (wait) => `${wait.subject} is left alone`,
  model_rate: (wait) => `Their turn at ${wait.subject}`,
  model_refusal: (wait) => `${wait.subject} refuses us`,
  budget: () => "The next day's budget",
  governor: () => "A node that governs",
  node: (wait) => wait.until === null ? "Other nodes" : `Papers of ${wait.subject}`,
};

// ---- links ----

const toPaper = (id) => `#/paper/${encodeURIComponent(id)}`;
const toPapers = (wanted) => `#/papers?${new URLSearchParams(wanted)}`;
const paperLink = (id) => make("a", { href: toPaper(id), class: id.includes("://") ? "of-url" : null }, id);
const isWeb = (url) => /^https?:\/\//i.test(url);
const outside = (url, text) => make("a", { href: url, rel: "noopener noreferrer", target: "_blank" }, text);

function table(headings, rows, label) {
  const cell = (tag, content, [name, kind]) => make(tag, { class: kind || null, scope: tag === "th" ? "col" : null, "data-name": tag === "td" ? name : null }, content);
  const stacks = headings.some(([, kind]) => kind === "wide");
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    make("table", { class: stacks ? "stacks" : null },
      make("thead", {}, make("tr", {}, headings.map((heading) => cell("th", heading[0], heading)))),
      make("tbody", {}, rows.map((row) => make("tr", {}, row.map((each, at) => cell("td", each, headings[at])))))));
}

const section = (kind, title, ...content) => make("section", { class: kind, "aria-label": title }, make("h2", {}, title), content);

// ---- the run ----

const hues = new Map();

/** A colour for a name that is known only when it appears: far from those before it. */
function stageStyle(stage) {
  if (!hues.has(stage)) hues.set(stage, (205 + hues.size * 137.5) % 360);
  return { class: stage === "idle" ? "stage idle" : "stage", style: { "--hue": hues.get(stage).toFixed(0) } };
}

function showRun(seen) {
  const { account, run, on } = seen;
  const parts = [accountSection(seen), waitsSection(seen)];
  if (run && on) parts.push(paceSection(run), workersSection(run));
  if (account.total) parts.push(countsSection(seen));
  if (seen.nodes) parts.push(nodesSection(seen.nodes));
  if (run && on) parts.push(shardsSection(run));
  if (run && on && Object.keys(run.models).length) parts.push(modelsSection(seen));
  if (Object.keys(seen.hosts).length) parts.push(hostsSection(seen));
  if (run && on) parts.push(inWorkSection(run));
  if (run) parts.push(failuresSection(run));
  morphChildren(byId("run"), parts.filter(Boolean));
  const [ended, papers] = account.limit ? [account.limit.ended, account.limit.papers] : [account.done + account.failed, account.total];
  document.title = papers ? `${Math.floor((100 * ended) / papers)} % · rpa-shard` : "rpa-shard";
}

function accountSection(seen) {
  const { account, run, on } = seen;
  const kinds = [["done", account.done], ["failed", account.failed], ["in_work", account.in_work],
    ["waiting", account.waiting], ["queued", account.queued]];
  const shown = kinds.filter(([, number]) => number > 0);
  const share = (number) => `${(100 * number) / Math.max(1, account.total)}%`;
  return section("", on ? "The run" : "The folder",
    make("p", { class: "account", id: "account" }, account.total || seen.problem ? account.text : "no papers yet"),
    make("div", { class: "bar", role: "img", "aria-label": shown.map(([name, n]) => `${count(n)} ${words(name)}`).join(", ") || "empty" },
      shown.map(([name, number]) => make("i", { class: name, style: { width: share(number) } }))),
    make("ul", { class: "legend" }, shown.map(([name, number]) => make("li", {}, make("i", { class: name }), `${words(name)} ${count(number)}`))),
    make("p", { class: "figures" }, runWords(seen)),
    seen.problem && make("p", { class: "note serious", id: "problem" }, seen.problem),
    run && on && run.paused && make("p", { class: "note serious" }, "Paused: the disk is short of room. Free some and it resumes."),
    run && run.cause && make("p", { class: "note serious" }, `Stopped: ${run.cause}`));
}

function runWords({ account, run, on, now }) {
  const figures = [];
  if (on) figures.push(make("span", {}, LIMITS[account.limited_by] || words(account.limited_by)));
  if (!run) figures.push(make("span", { id: "state" }, "No run was made here yet."));
  else if (on) figures.push(make("span", { id: "state" }, `${words(run.state)} for ${duration(run.seconds)}, process ${run.pid}`));
  else if (run.state === "ended") figures.push(make("span", { id: "state" }, `No run is on. The last one ended ${when(run.written_at, now)}, after ${duration(run.seconds)} at ${rate(run.rates.whole_run)}.`));
  else figures.push(make("span", { id: "state", class: "bad" }, `The run is gone: it was killed, and was last heard of ${when(run.written_at, now)}.`));
  return figures;
}

function waitsSection({ account, now, on }) {
  if (!account.waits.length) return null;
  const person = (wait) => ["disk", "refusal", "model_refusal"].includes(wait.cause);
  const until = (wait) => (wait.until ? `${when(wait.until, now)}${wait.until > now ? ` (${duration(wait.until - now)})` : ""}` : person(wait) ? "you act" : "not known");
  return section("", on ? "What is waited for" : "What the papers wait for",
    table([["What"], ["Papers", "number"], ["Until", "short"], ["Why", "wide"]],
      account.waits.map((wait) => [(CAUSES[wait.cause] || ((each) => words(each.cause)))(wait), wait.papers ? count(wait.papers) : "", until(wait), wait.why]),
      "What is waited for"));
}

function paceSection({ rates }) {
  const recent = rates.recent;
  const most = Math.max(...recent, 1e-9);
  const at = recent.map((each, index) => `${((100 * index) / Math.max(1, recent.length - 1)).toFixed(2)} ${(38 - (36 * each) / most).toFixed(2)}`);
  const figure = (number, over) => make("span", {}, make("b", {}, rate(number)), ` ${over}`);
  return section("third", "Pace",
    recent.length > 1 && make("svg", { class: "pace", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": `The pace of the last ${recent.length} seconds, at most ${rate(most)}` },
      make("path", { class: "area", d: `M0 40 L${at.join(" L")} L100 40 Z` }),
      make("path", { class: "line", d: `M${at.join(" L")}` })),
    make("p", { class: "figures" }, figure(rates.last_10_seconds, "in 10 s"), figure(rates.last_60_seconds, "in 60 s"), figure(rates.whole_run, "in all")));
}

function workersSection(run) {
  const all = run.shards.flatMap((shard) => shard.report.workers.map((stage) => [shard.number, stage]));
  const numbers = new Map();
  for (const [, stage] of all) numbers.set(stage, (numbers.get(stage) || 0) + 1);
  const stages = [...numbers].sort(([one], [other]) => (one === "idle") - (other === "idle") || one.localeCompare(other));
  return section("two-thirds", `Workers: ${count(all.length)}`,
    make("ul", { class: "legend", id: "stages" }, stages.map(([stage, number]) => make("li", {}, make("i", stageStyle(stage)), `${words(stage)} ${count(number)}`))),
    all.length <= MOST_WORKERS && make("div", { class: "workers", role: "img", "aria-label": stages.map(([stage, number]) => `${number} ${words(stage)}`).join(", ") },
      all.map(([shard, stage], index) => make("i", { ...stageStyle(stage), title: `worker ${index}, shard ${shard}: ${words(stage)}` }))));
}

function countsSection({ counts, statuses }) {
  const byStatus = statuses.filter((each) => counts.by_status[each]);
  const reasons = Object.entries(counts.by_failure).sort(([, one], [, other]) => other - one);
  return section("half", "Papers",
    table([["Status"], ["Papers", "number"]],
      byStatus.map((each) => [make("a", { href: toPapers({ status: each }) }, each), count(counts.by_status[each])]), "Papers by status"),
    reasons.length > 0 && make("h3", {}, "Failed for good"),
    reasons.length > 0 && table([["Reason"], ["Papers", "number"]],
      reasons.map(([reason, number]) => [make("a", { href: toPapers({ status: "failed", reason }) }, words(reason)), count(number)]), "Failed papers by reason"));
}

function nodesSection({ nodes, governor, last_10_seconds: pace }) {
  const shown = nodes.filter((node) => node.state !== "left");
  const members = shown.filter((node) => node.state !== "lost");
  const working = (node, text) => (node.state === "lost" ? "" : text);
  return section("half", `Nodes: ${members.length}`,
    make("p", {}, `${pace.toFixed(1)} papers/s together; `, governor ? `governed by ${governor}` : make("strong", { class: "bad" }, "nobody governs")),
    table([["Node"], ["State"], ["Papers/s", "number"], ["Shards", "number"], ["In work", "number"], ["Since", "wide"]],
      shown.map((node) => [node.name, node.state === "running" ? "running" : make("strong", { class: node.state === "lost" ? "bad" : "" }, words(node.state)),
        working(node, node.last_10_seconds.toFixed(1)), working(node, `${node.ready}/${node.shards}`), working(node, count(node.in_work)), node.since]), "Nodes"));
}

function shardsSection(run) {
  const descriptors = (shard) => `${shard.process.descriptors}/${shard.descriptor_budget}`;
  return section("half", `Shards: ${run.shard_count}`,
    table([["Shard", "number"], ["State"], ["Held", "number"], ["CPU", "number"], ["Memory", "number"], ["Lag p99", "number"], ["Files", "number"], ["Deaths", "number"]],
      run.shards.map((shard) => [shard.number, shard.state === "ready" ? "ready" : make("strong", {}, words(shard.state)), count(shard.report.held), `${shard.process.cpu_percent.toFixed(0)} %`,
        bytes(shard.process.rss_bytes), `${(1000 * shard.report.loop_lag.p99_seconds).toFixed(0)} ms`, descriptors(shard), shard.restarts]), "Shards"),
    run.deaths.length > 0 && make("p", { class: "long" }, `Last death: shard ${run.deaths.at(-1).shard} at ${when(run.deaths.at(-1).at)}: ${run.deaths.at(-1).cause}`));
}

function hostsSection({ hosts, hosts_at, now }) {
  const state = (host) => {
    if (host.blocked) return make("strong", { class: "bad" }, `refuses us: ${host.blocked}`);
    if (host.closed_seconds === null) return host.factor < 1 ? `open, at ${Math.round(100 * host.factor)} % of its rate` : "open";
    const until = hosts_at + host.closed_seconds;
    return until > now ? `left alone until ${when(until, now)}: ${host.why || "it was closed"}` : "one request is to show whether it is open";
  };
  return section("half", "Hosts", table([["Host", "wide"], ["Under way", "number"], ["Wait", "number"], ["State", "wide"]],
    Object.entries(hosts).map(([name, host]) => [make("span", {}, name, make("br"), make("span", { class: "muted" }, host.policy)), count(host.under_way), count(host.wanted), state(host)]), "Hosts"));
}

function modelsSection({ run, now }) {
  const state = (model) => {
    if (model.blocked !== null) return make("strong", { class: "bad" }, `refuses us: ${model.blocked}`);
    if (model.closed_seconds === null) return "open";
    const until = run.written_at + model.closed_seconds;
    return until > now ? `left alone until ${when(until, now)}: ${model.why || "it was closed"}` : "one call is to show whether it is open";
  };
  const { budget, today, spent_seconds } = run.llm_budget;
  const urgency = (model) => (model.blocked !== null ? 0 : model.closed_seconds !== null ? 1 : 2);
  const models = Object.entries(run.models).sort(([, one], [, other]) => urgency(one) - urgency(other));
  return section("", "Models",
    table([["Model", "wide"], ["Under way", "number"], ["Wait", "number"], ["Last minute", "wide"], ["State", "wide"]],
      models.map(([name, model]) => [make("span", {}, name, make("br"), make("span", { class: "muted" }, model.limits)), `${count(model.under_way)} of ${count(model.in_flight_limit)}`, count(model.wanted), spent(model.last_minute), state(model)]), "Models"),
    make("p", { class: "long", id: "today" }, `Today: ${spent(today)}${budget ? `, of a budget of ${budget}` : ""}`),
    spent_seconds !== null && make("p", { class: "note" }, `The day's budget is spent: the phases that ask models go on at ${when(run.written_at + spent_seconds, now)}.`));
}

function inWorkSection(run) {
  const papers = run.shards.flatMap((shard) => shard.report.in_work).sort((one, other) => other.seconds - one.seconds);
  return section("half", "Papers in work",
    papers.length === 0 ? make("p", { class: "muted" }, "none now") : table([["Paper", "id"], ["Stage"], ["For", "number"], ["In work", "number"], ["Attempt", "number"]],
      papers.map((each) => [paperLink(each.paper_id), words(each.stage), duration(each.stage_seconds), duration(each.seconds), each.attempt]), "Papers in work"));
}

function failuresSection(run) {
  if (!run.failures.length) return null;
  return section("", "Latest failures", table([["At", "short"], ["Paper", "id"], ["Reason", "short"], ["Attempt", "number"], ["Detail", "wide"]],
    [...run.failures].reverse().map((each) => [when(each.at), paperLink(each.paper_id), make("span", {}, words(each.reason), each.final && make("span", { class: "bad" }, " for good")), each.attempt, each.detail]), "Latest failures"));
}

// ---- staying connected ----

let latest = null;
let heardAt = Date.now();
let source = null;

function connection(kind, text) {
  const place = byId("connection");
  if (place.textContent !== text) place.textContent = text;
  place.className = kind;
}

function connect() {
  source?.close();
  source = new EventSource("/events");
  source.onmessage = (event) => {
    latest = JSON.parse(event.data);
    heard();
    byId("folder").textContent = latest.folder;
    fillChoices(latest);
    if (!byId("run").hidden) showRun(latest);
  };
  source.addEventListener("alive", heard);
  source.onopen = () => {
    if (!latest) connection("", "connected, counting the papers …");
  };
  source.onerror = () => {
    connection("lost", "not connected: trying again");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  };
}

function heard() {
  heardAt = Date.now();
  connection("live", latest?.on ? "live" : "live, no run is on");
}

setInterval(() => {
  if (Date.now() - heardAt > LOST_AFTER_MS) {
    heardAt = Date.now();
    connection("lost", "not connected: trying again");
    connect();
  }
}, 5000);

// ---- asking ----

async function ask(path, signal) {
  let answer;
  try {
    answer = await fetch(path, { signal, headers: { Accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server cannot be reached");
  }
  const content = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : {};
  if (!answer.ok) throw new Error(content.error || `the server answered ${answer.status}`);
  return content;
}

// ---- lists of papers ----

let asked = new AbortController();
let wanted = {};

function fillChoices({ statuses, counts }) {
  fillChoice(byId("status"), statuses);
  fillChoice(byId("reason"), Object.keys(counts.by_failure).sort());
}

function fillChoice(select, values) {
  const known = new Set([...select.options].map((option) => option.value));
  for (const value of values) if (!known.has(value)) select.append(make("option", { value }, words(value)));
}

function showList(parameters) {
  wanted = Object.fromEntries([...parameters].filter(([name, value]) => value && ["query", "status", "reason"].includes(name)));
  for (const name of ["query", "status", "reason"]) {
    const field = byId(name);
    if (field.tagName === "SELECT" && wanted[name]) fillChoice(field, [wanted[name]]);
    if (document.activeElement !== field || field.tagName === "SELECT") field.value = wanted[name] || "";
  }
  byId("list").replaceChildren(make("ul", { class: "results" }));
  findMore(null);
}

async function findMore(after) {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  byId("more").hidden = true;
  byId("found").textContent = "looking …";
  try {
    const page = await ask(`/api/papers?${new URLSearchParams(after ? { ...wanted, after } : wanted)}`, signal);
    const list = byId("list").firstChild;
    list.append(...page.papers.map(listed));
    const shown = list.children.length;
    byId("found").textContent = shown ? `${plural(shown, "paper")} shown${page.next ? ", there are more" : ""}` : page.next ? "none so far: look further" : "no such paper";
    byId("more").hidden = !page.next;
    byId("more").onclick = () => findMore(page.next);
  } catch (error) {
    if (error.name !== "AbortError") byId("found").textContent = error.message;
  }
}

function listed(paper) {
  return make("li", {},
    paper.title && make("span", { class: "title" }, paper.title),
    paperLink(paper.id), " ", make("span", { class: paper.status === "failed" ? "chip failed" : "chip" }, paper.failure && paper.status === "failed" ? `failed: ${words(paper.failure)}` : paper.status),
    paper.detail && make("span", { class: "muted" }, paper.detail));
}

let typing = 0;
byId("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const given = Object.fromEntries(["query", "status", "reason"].map((name) => [name, byId(name).value.trim()]).filter(([, value]) => value));
    history.replaceState(null, "", Object.keys(given).length ? toPapers(given) : "#/papers");
    showList(new URLSearchParams(given));
  }, 200);
});
byId("search").addEventListener("submit", (event) => event.preventDefault());

// ---- one paper ----

async function showPaper(id) {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const place = byId("paper");
  place.replaceChildren(make("h2", { tabindex: "-1" }, id), make("p", { class: "muted" }, "looking …"));
  try {
    const found = await ask(`/api/papers/${encodeURIComponent(id)}`, signal);
    const title = found.metadata?.title || found.record?.document?.title;
    const has = (ending) => found.files.some((file) => file.path.endsWith(ending) && file.bytes !== null);
    place.replaceChildren(
      make("h2", { tabindex: "-1" }, title || id),
      factsSection(id, found),
      ...(has(".txt") ? [textSection(id)] : []),
      ...(found.record?.references ? [referencesSection(id)] : []),
      historySection(found),
      filesSection(id, found));
  } catch (error) {
    if (error.name === "AbortError") return;
    place.replaceChildren(make("h2", { tabindex: "-1" }, id), make("p", { class: "note" }, error.message),
      ...(id.includes("://") ? [] : [make("p", {}, outside(`https://arxiv.org/abs/${encodeURI(id)}`, `look for ${id} at arXiv`))]));
  }
  place.querySelector("h2").focus({ preventScroll: true });
}

function facts(pairs) {
  return make("dl", {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
    .map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function factsSection(id, { row, metadata, record }) {
  const claimed = ["pending", "prepped", "analyzed"].includes(row.status) && (row.attempts > 0 || row.failure);
  const flags = record?.flags || [];
  return section("", "State",
    facts([
      ["id", id],
      ["status", `${row.status} since ${when(row.changed_at)}`],
      ["failure", row.failure && `${words(row.failure)}${row.failed_phase ? ` in ${row.failed_phase}` : ""}: ${row.detail}`],
      ["attempts", row.attempts ? `${row.attempts}${claimed ? `, the next not before ${when(row.next_attempt_at)}` : ""}` : null],
      ["suspect", row.suspect && "its process died while parsing it: it runs alone"],
      ["authors", metadata?.authors],
      ["categories", metadata?.categories?.join(" ")],
      ["doi", metadata?.doi && outside(`https://doi.org/${encodeURI(metadata.doi)}`, metadata.doi)],
      ["flags", flags.length ? flags.map((flag) => make("span", { class: "chip" }, words(flag))) : null],
      ["size", record && `${plural(record.pages, "page")}, ${count(record.characters)} characters, ${plural(record.references, "reference")}`],
      ["PDF", record && bytes(record.pdf_bytes)],
      ["source", record?.source && (isWeb(record.source) ? outside(record.source, record.source) : record.source)],
      ["engine", record?.engine && `${record.engine.name} ${record.engine.version}`],
      ["took", record?.timings_ms && `${duration(record.timings_ms.download / 1000)} to download, ${duration(record.timings_ms.extract / 1000)} to parse`],
      ["added", `${when(row.added_at)}, shard ${row.shard}, worker ${row.worker}, priority ${row.priority}`],
      ["abstract", metadata?.abstract || record?.abstract],
    ]));
}

function textSection(id) {
  const shown = make("pre", { class: "text", id: "text", tabindex: "0", "aria-label": "Text of the page" });
  const where = make("span", { role: "status" });
  let page = 1;
  const turn = async (to) => {
    try {
      const found = await ask(`/api/papers/${encodeURIComponent(id)}/text?page=${to}`);
      page = to;
      shown.textContent = found.text + (found.cut ? "\n… (cut)" : "");
      shown.scrollTop = 0;
      where.textContent = `page ${page} of ${found.pages}`;
      before.disabled = page <= 1;
      after.disabled = page >= found.pages;
    } catch (error) {
      where.textContent = error.message;
    }
  };
  const before = make("button", { type: "button", onclick: () => turn(page - 1) }, "Previous page");
  const after = make("button", { type: "button", onclick: () => turn(page + 1) }, "Next page");
  turn(1);
  return section("", "Text", make("div", { class: "pager" }, before, after, where, make("a", { href: `/api/papers/${encodeURIComponent(id)}/text` }, "the complete text")), shown);
}

function referencesSection(id) {
  const list = make("ol", { class: "references" });
  const more = make("button", { type: "button", hidden: true }, "More references");
  const load = async () => {
    try {
      const found = await ask(`/api/papers/${encodeURIComponent(id)}/references?after=${list.children.length}`);
      list.append(...found.references.map(reference));
      more.hidden = list.children.length >= found.total;
    } catch (error) {
      list.append(make("li", { class: "note" }, error.message));
    }
  };
  more.addEventListener("click", load);
  load();
  return section("", "References", list, more);
}

function reference(each) {
  return make("li", {}, make("span", { class: "muted" }, each.marker || `${each.ordinal}.`), " ", each.raw, " ",
    (each.arxiv_ids || []).map((id) => [paperLink(id), " "]),
    (each.dois || []).map((doi) => [outside(`https://doi.org/${encodeURI(doi)}`, doi), " "]),
    (each.urls || []).map((url) => [isWeb(url) ? outside(url, url) : url, " "]));
}

function historySection({ history: lines, history_lines: total }) {
  return section("", "History", lines.length === 0 ? make("p", { class: "muted" }, "nothing has happened yet") : table([["At", "short"], ["Event"], ["Phase"], ["Attempt", "number"], ["Detail", "wide"]],
    lines.map((line) => [when(line.at), words(line.event), line.phase || "", line.attempt || "", [line.failure && `${words(line.failure)}: `, line.detail]]), "History"),
    total > lines.length && make("p", { class: "muted" }, `the last ${lines.length} of ${count(total)} lines`));
}

function filesSection(id, { files, record }) {
  return section("", "Files", table([["File", "wide"], ["Size", "number"]], files.map((file) => [file.path, file.bytes === null ? "none" : bytes(file.bytes)]), "Files"),
    record && make("p", {}, make("a", { href: `/api/papers/${encodeURIComponent(id)}/record` }, "the complete record, as JSON")));
}

// ---- which view ----

function route() {
  const [, view, rest] = /^#\/(papers|paper\/|)(.*)$/.exec(location.hash || "#/") || [null, "", ""];
  byId("run").hidden = view !== "";
  byId("papers").hidden = view !== "papers";
  byId("paper").hidden = view !== "paper/";
  for (const [id, views] of [["to-run", [""]], ["to-papers", ["papers", "paper/"]]]) {
    if (views.includes(view)) byId(id).setAttribute("aria-current", "page");
    else byId(id).removeAttribute("aria-current");
  }
  if (view === "" && latest) showRun(latest);
  if (view === "papers") showList(new URLSearchParams(rest.replace(/^\?/, "")));
  if (view === "paper/") {
    let id = rest;
    try {
      id = decodeURIComponent(rest);
    } catch { /* a stray percent sign: as it is */ }
    showPaper(id);
  }
  window.scrollTo(0, 0);
}

// The token has become a cookie: it need not stay in the address bar, nor in the history.
if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", `/${location.hash}`);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
window.addEventListener("hashchange", route);
route();
connect();
