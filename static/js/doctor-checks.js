// What can only be seen from a browser: what lies between it and the server. Each check
// gives {verdict, found, mend}: a sentence with the measured value, one how to mend it.

import { fill, gettext } from "./words.js";

const PATIENCE = 10_000; // ms for connecting
const PINGS = 5;
const SLOW = 500; // ms for a round trip
const MOST_SKEW = 2_000; // ms between the clocks
const PIECES = 10;
const SENT_WITHIN = 1_800; // ms from the first piece of the stream to its last
const SIGN_OF_LIFE = 25_000; // ms; the server pings every 20 s
const RESTART = 1012;

const UPGRADE = gettext(
  "Let the proxy pass websockets on; in nginx: proxy_http_version 1.1, proxy_set_header " +
  'Upgrade $http_upgrade and proxy_set_header Connection "upgrade". Caddy does by itself.',
);
const REFUSED = {
  4401: [
    gettext("The server does not see who you are"),
    gettext("Sign in again; if that does not help, let the proxy pass cookies on at /ws."),
  ],
  4403: [
    fill(gettext("The server refuses the origin %(origin)s"), location),
    gettext("Set PUBLIC_URL to the address people use, and let the proxy keep Host and Origin."),
  ],
};
const BUFFERING = gettext(
  "Turn buffering off; in nginx: proxy_buffering off, and no proxy_ignore_headers " +
  "X-Accel-Buffering; in Caddy: flush_interval -1.",
);
const COMPRESSION = gettext(
  "Leave text/event-stream out of compression: gzip_types in nginx, encode in Caddy.",
);
const COOKIES = gettext(
  "Let the proxy pass Cookie and Set-Cookie on unchanged, and open the site at PUBLIC_URL: " +
  "with https there, cookies travel by https only.",
);
const IDLE = gettext(
  "Let the proxy keep websockets open that are quiet for a minute; in nginx: " +
  "proxy_read_timeout 3600s; in a load balancer: its idle timeout.",
);

const ok = (found) => ({ verdict: "ok", found });
const warning = (found, mend) => ({ verdict: "warning", found, mend });
const failed = (found, mend) => ({ verdict: "failed", found, mend });
const skipped = (found) => ({ verdict: "skipped", found });
const testing = (found) => ({ verdict: "testing", found });

// `tell(name, finding)` hears of each check that it begins, how far it is, and its end.
export function examine(settings, tell, signal) {
  const greeting = greeted(settings.socket, signal);
  const stream = dripped(settings.drip, signal);
  const checks = {
    [gettext("Page address")]: () => address(settings.publicUrl),
    [gettext("Secure context")]: secureContext,
    [gettext("Websocket")]: async () => websocket(await greeting),
    [gettext("Round trip")]: async () => roundTrip(await greeting),
    [gettext("Streaming")]: async () => streaming(await stream),
    [gettext("Compression")]: async () => compression(await stream),
    [gettext("Cookies")]: async () => cookies(await stream),
    [gettext("Clock")]: async () => clock(await stream),
    [gettext("Idle websocket")]: (progress) => idle(settings, progress, signal),
  };
  for (const [name, check] of Object.entries(checks)) {
    const progress = (found) => tell(name, testing(found));
    progress(gettext("Under way."));
    Promise.resolve(check(progress)).then((finding) => tell(name, finding));
  }
}

function address(publicUrl) {
  if (publicUrl === location.origin) {
    return ok(fill(gettext("%(origin)s, as PUBLIC_URL says."), location));
  }
  if (publicUrl) {
    const facts = { origin: location.origin, publicUrl };
    return failed(
      fill(gettext("This page is at %(origin)s, PUBLIC_URL is %(publicUrl)s."), facts),
      fill(
        gettext(
          "Open the site at %(publicUrl)s, or set PUBLIC_URL to what people use and start again.",
        ),
        facts,
      ),
    );
  }
  return skipped(fill(gettext("%(origin)s; PUBLIC_URL is not set."), location));
}

function secureContext() {
  if (location.protocol === "https:") return ok(gettext("The page came by https."));
  if (isSecureContext) return ok(gettext("The page came by http, but from this computer."));
  return warning(
    gettext("The page came by http: passwords and cookies cross the network unencrypted."),
    gettext("Let Caddy or nginx end HTTPS and set PUBLIC_URL to the https address."),
  );
}

// A socket of its own, once the server has greeted it after `ms`; or the `code` it closed
// with, 0 when there was no greeting in time.
function greeted(url, signal) {
  const started = performance.now();
  const socket = new WebSocket(url);
  signal.addEventListener("abort", () => socket.close());
  return new Promise((resolve) => {
    setTimeout(() => resolve({ socket, code: 0 }), PATIENCE);
    socket.onclose = ({ code }) => resolve({ socket, code });
    socket.onmessage = ({ data }) => {
      if (JSON.parse(data).op !== "hello") return;
      resolve({ socket, ms: performance.now() - started });
    };
  });
}

function websocket({ socket, ms, code }) {
  if (ms !== undefined) {
    return ok(fill(gettext("Upgraded and greeted in %(ms)s ms."), { ms: Math.round(ms) }));
  }
  socket.close();
  const [found, mend] = REFUSED[code] ?? [gettext("The upgrade did not succeed"), UPGRADE];
  const end = code ? gettext("%(found)s (close code %(code)s).") : gettext("%(found)s in 10 s.");
  return failed(fill(end, { found, code }), mend);
}

async function roundTrip({ socket, ms }) {
  if (ms === undefined) return skipped(gettext("The websocket must be mended first."));
  const times = [];
  for (let number = 0; number < PINGS; number++) times.push(await ping(socket));
  socket.close();
  const middle = times.sort((a, b) => a - b)[Math.floor(PINGS / 2)];
  if (middle === Infinity) {
    return failed(
      gettext("The server's pongs do not arrive."),
      gettext("Let the proxy buffer no websockets."),
    );
  }
  const facts = { ms: decimal(middle), pings: PINGS };
  const found = fill(gettext("%(ms)s ms, the middle one of %(pings)s."), facts);
  if (middle < SLOW) return ok(found);
  return warning(found, gettext("Look for a slow network, or a server that is overloaded."));
}

function ping(socket) {
  return new Promise((resolve) => {
    const started = performance.now();
    setTimeout(() => resolve(Infinity), PATIENCE / PINGS);
    socket.onmessage = ({ data }) => {
      if (JSON.parse(data).op === "pong") resolve(performance.now() - started);
    };
    if (socket.readyState === WebSocket.OPEN) socket.send('{"op": "ping"}');
  });
}

// The slow stream: its `headers`, when it was `asked` for and `answered` (Date), and the
// times of `arrivals` of its pieces (ms); or the `problem` that it did not come.
async function dripped(url, signal) {
  const asked = Date.now();
  try {
    const response = await fetch(url, { signal, cache: "no-store" });
    const answered = Date.now();
    if (!response.ok) {
      return { problem: fill(gettext("The stream was answered %(status)s."), response) };
    }
    const arrivals = await pieces(response.body);
    return { headers: response.headers, asked, answered, arrivals };
  } catch (error) {
    return { problem: fill(gettext("The stream broke off: %(message)s."), error) };
  }
}

async function pieces(body) {
  const arrivals = [];
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    text += read.value;
    const count = text.split("\n\n").length - 1;
    while (arrivals.length < count) arrivals.push(performance.now());
  }
  return arrivals;
}

function streaming({ problem, arrivals }) {
  if (problem) return failed(problem, gettext("See the logs of the proxy and of the server."));
  if (arrivals.length < PIECES) {
    const facts = { count: arrivals.length, all: PIECES };
    const found = fill(gettext("Only %(count)s of %(all)s pieces arrived."), facts);
    return failed(found, gettext("Let the proxy wait longer for an answer: proxy_read_timeout."));
  }
  const spread = arrivals.at(-1) - arrivals[0];
  const facts = { all: PIECES, sent: seconds(SENT_WITHIN), spread: seconds(spread) };
  const found = fill(gettext("%(all)s pieces sent in %(sent)s arrived within %(spread)s"), facts);
  if (spread >= SENT_WITHIN / 2) return ok(`${found}.`);
  return failed(`${found}: ${gettext("something holds them back.")}`, BUFFERING);
}

function compression({ problem, headers }) {
  if (problem) return skipped(gettext("The stream must be mended first."));
  const encoding = headers.get("Content-Encoding");
  if (!encoding) return ok(gettext("The stream is not compressed."));
  const found = fill(gettext("The stream is compressed with %(encoding)s."), { encoding });
  return warning(found, COMPRESSION);
}

function cookies({ problem, headers }) {
  if (problem) return skipped(gettext("The stream must be mended first."));
  const seen = (headers.get("X-Cookies-Seen") ?? "").split(" ");
  const missing = ["csrftoken", "sessionid"].filter((name) => !seen.includes(name));
  if (!missing.length) return ok(gettext("Both arrive at the server: csrftoken, sessionid."));
  const found = fill(gettext("Not seen by the server: %(names)s."), { names: missing.join(", ") });
  return failed(found, COOKIES);
}

// The server's clock was read between asking and the answer, however long that took.
function clock({ problem, headers, asked, answered }) {
  const there = Number(headers?.get("X-Server-Time"));
  if (problem || !there) return skipped(gettext("The stream must be mended first."));
  const off = Math.max(asked - there, there - answered, 0);
  const words = gettext("%(time)s between this computer's clock and the server's.");
  const found = fill(words, { time: seconds(off) });
  if (off <= MOST_SKEW) return ok(found);
  return warning(found, gettext("Let both set their clocks by NTP."));
}

// Says nothing for a while on a socket of its own, which the server's pings must keep open.
async function idle({ socket: url, idleSeconds }, progress, signal) {
  const { socket, ms } = await greeted(url, signal);
  if (ms === undefined) return skipped(gettext("The websocket must be mended first."));
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  let heard = started;
  let signs = 0;
  socket.onmessage = () => {
    heard = performance.now();
    signs += 1;
  };
  const closed = new Promise((resolve) => (socket.onclose = resolve));
  while (elapsed() < idleSeconds) {
    const facts = { past: Math.floor(elapsed()), all: idleSeconds };
    progress(fill(gettext("Silent for %(past)s s of %(all)s s."), facts));
    const event = await Promise.race([closed, new Promise((wake) => setTimeout(wake, 1000))]);
    if (event) return cut(event.code, elapsed());
  }
  socket.close();
  if (performance.now() - heard > SIGN_OF_LIFE) {
    const words = gettext("Open for %(idleSeconds)s s, but the server's pings do not arrive.");
    return failed(fill(words, { idleSeconds }), IDLE);
  }
  const words = gettext("Open for %(idleSeconds)s s; %(signs)s pings of the server arrived.");
  return ok(fill(words, { idleSeconds, signs }));
}

function cut(code, after) {
  if (code === RESTART) return skipped(gettext("The server has been restarted meanwhile."));
  const words = gettext("Closed after %(after)s s of silence (code %(code)s).");
  return failed(fill(words, { after: after.toFixed(0), code }), IDLE);
}

function seconds(ms) {
  return `${decimal(ms / 1000)} s`;
}

function decimal(number) {
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false };
  return number.toLocaleString(document.documentElement.lang || "en", digits);
}
