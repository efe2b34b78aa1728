// What can only be seen from a browser: what lies between it and the server. Each check
// gives {verdict, found, mend}: a sentence with the measured value, one how to mend it.

const PATIENCE = 10_000; // ms for connecting
const PINGS = 5;
const SLOW = 500; // ms for a round trip
const MOST_SKEW = 2_000; // ms between the clocks
const PIECES = 10;
const SENT_WITHIN = 1_800; // ms from the first piece of the stream to its last
const SIGN_OF_LIFE = 25_000; // ms; the server pings every 20 s
const RESTART = 1012;

const UPGRADE =
  "Let the proxy pass websockets on; in nginx: proxy_http_version 1.1, proxy_set_header " +
  'Upgrade $http_upgrade and proxy_set_header Connection "upgrade". Caddy does by itself.';
const REFUSED = {
  4401: [
    "The server does not see who you are",
    "Sign in again; if that does not help, let the proxy pass cookies on at /ws.",
  ],
  4403: [
    `The server refuses the origin ${location.origin}`,
    "Set PUBLIC_URL to the address people use, and let the proxy keep Host and Origin.",
  ],
};
const BUFFERING =
  "Turn buffering off; in nginx: proxy_buffering off, and no proxy_ignore_headers " +
  "X-Accel-Buffering; in Caddy: flush_interval -1.";
const COMPRESSION =
  "Leave text/event-stream out of compression: gzip_types in nginx, encode in Caddy.";
const COOKIES =
  "Let the proxy pass Cookie and Set-Cookie on unchanged, and open the site at PUBLIC_URL: " +
  "with https there, cookies travel by https only.";
const IDLE =
  "Let the proxy keep websockets open that are quiet for a minute; in nginx: " +
  "proxy_read_timeout 3600s; in a load balancer: its idle timeout.";

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
    "Page address": () => address(settings.publicUrl),
    "Secure context": secureContext,
    Websocket: async () => websocket(await greeting),
    "Round trip": async () => roundTrip(await greeting),
    Streaming: async () => streaming(await stream),
    Compression: async () => compression(await stream),
    Cookies: async () => cookies(await stream),
    Clock: async () => clock(await stream),
    "Idle websocket": (progress) => idle(settings, progress, signal),
  };
  for (const [name, check] of Object.entries(checks)) {
    const progress = (found) => tell(name, testing(found));
    progress("Under way.");
    Promise.resolve(check(progress)).then((finding) => tell(name, finding));
  }
}

function address(publicUrl) {
  if (publicUrl === location.origin) return ok(`${location.origin}, as PUBLIC_URL says.`);
  if (publicUrl) {
    return failed(
      `This page is at ${location.origin}, PUBLIC_URL is ${publicUrl}.`,
      `Open the site at ${publicUrl}, or set PUBLIC_URL to what people use and start again.`,
    );
  }
  return skipped(`${location.origin}; PUBLIC_URL is not set.`);
}

function secureContext() {
  if (location.protocol === "https:") return ok("The page came by https.");
  if (isSecureContext) return ok("The page came by http, but from this computer.");
  return warning(
    "The page came by http: passwords and cookies cross the network unencrypted.",
    "Let Caddy or nginx end HTTPS and set PUBLIC_URL to the https address.",
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
  if (ms !== undefined) return ok(`Upgraded and greeted in ${Math.round(ms)} ms.`);
  socket.close();
  const [found, mend] = REFUSED[code] ?? ["The upgrade did not succeed", UPGRADE];
  return failed(code ? `${found} (close code ${code}).` : `${found} in 10 s.`, mend);
}

async function roundTrip({ socket, ms }) {
  if (ms === undefined) return skipped("The websocket must be mended first.");
  const times = [];
  for (let number = 0; number < PINGS; number++) times.push(await ping(socket));
  socket.close();
  const middle = times.sort((a, b) => a - b)[Math.floor(PINGS / 2)];
  if (middle === Infinity) {
    return failed("The server's pongs do not arrive.", "Let the proxy buffer no websockets.");
  }
  const found = `${middle.toFixed(1)} ms, the middle one of ${PINGS}.`;
  if (middle < SLOW) return ok(found);
  return warning(found, "Look for a slow network, or a server that is overloaded.");
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
    if (!response.ok) return { problem: `The stream was answered ${response.status}.` };
    const arrivals = await pieces(response.body);
    return { headers: response.headers, asked, answered, arrivals };
  } catch (error) {
    return { problem: `The stream broke off: ${error.message}.` };
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
  if (problem) return failed(problem, "See the logs of the proxy and of the server.");
  if (arrivals.length < PIECES) {
    const found = `Only ${arrivals.length} of ${PIECES} pieces arrived.`;
    return failed(found, "Let the proxy wait longer for an answer: proxy_read_timeout.");
  }
  const spread = arrivals.at(-1) - arrivals[0];
  const within = `${PIECES} pieces sent in ${seconds(SENT_WITHIN)} arrived within`;
  if (spread >= SENT_WITHIN / 2) return ok(`${within} ${seconds(spread)}.`);
  return failed(`${within} ${seconds(spread)}: something holds them back.`, BUFFERING);
}

function compression({ problem, headers }) {
  if (problem) return skipped("The stream must be mended first.");
  const encoding = headers.get("Content-Encoding");
  if (!encoding) return ok("The stream is not compressed.");
  return warning(`The stream is compressed with ${encoding}.`, COMPRESSION);
}

function cookies({ problem, headers }) {
  if (problem) return skipped("The stream must be mended first.");
  const seen = (headers.get("X-Cookies-Seen") ?? "").split(" ");
  const missing = ["csrftoken", "sessionid"].filter((name) => !seen.includes(name));
  if (!missing.length) return ok("Both arrive at the server: csrftoken, sessionid.");
  return failed(`Not seen by the server: ${missing.join(", ")}.`, COOKIES);
}

// The server's clock was read between asking and the answer, however long that took.
function clock({ problem, headers, asked, answered }) {
  const there = Number(headers?.get("X-Server-Time"));
  if (problem || !there) return skipped("The stream must be mended first.");
  const off = Math.max(asked - there, there - answered, 0);
  const found = `${seconds(off)} between this computer's clock and the server's.`;
  if (off <= MOST_SKEW) return ok(found);
  return warning(found, "Let both set their clocks by NTP.");
}

// Says nothing for a while on a socket of its own, which the server's pings must keep open.
async function idle({ socket: url, idleSeconds }, progress, signal) {
  const { socket, ms } = await greeted(url, signal);
  if (ms === undefined) return skipped("The websocket must be mended first.");
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
    progress(`Silent for ${Math.floor(elapsed())} s of ${idleSeconds} s.`);
    const event = await Promise.race([closed, new Promise((wake) => setTimeout(wake, 1000))]);
    if (event) return cut(event.code, elapsed());
  }
  socket.close();
  if (performance.now() - heard > SIGN_OF_LIFE) {
    return failed(`Open for ${idleSeconds} s, but the server's pings do not arrive.`, IDLE);
  }
  return ok(`Open for ${idleSeconds} s; ${signs} pings of the server arrived.`);
}

function cut(code, after) {
  if (code === RESTART) return skipped("The server has been restarted meanwhile.");
  return failed(`Closed after ${after.toFixed(0)} s of silence (code ${code}).`, IDLE);
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
