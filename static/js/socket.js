// One websocket for the tab. It follows runs by cursor, so that a lost connection loses
// no text: after every reconnect each run goes on behind the last event that was seen.

const SILENCE = 45_000; // ms without a message: the connection is dead
const PATIENCE = 10_000; // ms for connecting
const ANSWER = 4_000; // ms for the answer to a ping after sleep
const ACK_EVERY = { events: 50, characters: 65_536, ms: 100 };
const FINAL = { 4400: "error", 4401: "signed-out", 4403: "refused", 4404: "error" };

// `onState` hears "online", "offline" (something is followed and the connection is
// gone), "signed-out", "refused", "new-version" and "error"; `onRun` hears the newest run
// of the watched thread, `onPath` its last message or that another branch is shown,
// `onQueued` that what waits in it has changed, `onAccess` what may be done in it. Nothing
// connects before the first `follow` or `watch`.
export function openSocket({ url, protocol, onState, onRun, onPath, onQueued, onAccess }) {
  const follows = new Map();
  let watched = "";
  let onThreads = null;
  let socket = null;
  let isReady = false;
  let wasReady = false;
  let isOver = false;
  let failures = 0;
  let heard = 0;
  let retryTimer = 0;

  // `listener.event(frame)` gets each event once, in order; `listener.lost(frame)` hears
  // that the server will not send this run.
  function follow(run, after, listener) {
    follows.set(run, { seq: after, listener, events: 0, characters: 0, ackedAt: 0, timer: 0 });
    if (isReady) send({ op: "subscribe", run, after });
    else connect();
  }

  function unfollow(run) {
    clearTimeout(follows.get(run)?.timer);
    if (follows.delete(run) && isReady) send({ op: "unsubscribe", run });
  }

  // Hears of new runs in this thread, from whichever tab they come; one thread at a time.
  function watchThread(thread) {
    if (!thread || thread === watched) return;
    watched = thread;
    if (isReady) send({ op: "watch", thread });
    else connect();
  }

  // Hears that the list of threads has changed, or may have while nothing was heard.
  function watchThreads(listener) {
    onThreads = listener;
    if (isReady) send({ op: "threads" });
    else connect();
  }

  function isWanted() {
    return follows.size > 0 || watched !== "" || onThreads !== null;
  }

  function connect() {
    if (socket || isOver) return;
    clearTimeout(retryTimer);
    heard = performance.now();
    const mine = new WebSocket(url);
    socket = mine;
    mine.onmessage = (message) => mine === socket && receive(message.data);
    mine.onclose = (event) => mine === socket && closed(event.code);
  }

  function closed(code) {
    socket = null;
    isReady = false;
    if (code in FINAL) {
      isOver = true;
      onState(FINAL[code]);
      return;
    }
    if (isOver || !isWanted()) return;
    if (follows.size > 0) onState("offline");
    retryTimer = setTimeout(connect, pause(code));
  }

  function pause(code) {
    failures += 1;
    const least = code === 4429 ? 10_000 : 500;
    const ceiling = Math.min(15_000, least * 2 ** (failures - 1));
    return Math.max(ceiling, least) * (0.5 + Math.random() / 2);
  }

  // Gives up a connection that may look open; the browser's own close can take minutes.
  function abandon() {
    const old = socket;
    socket = null;
    isReady = false;
    old?.close();
    if (follows.size > 0) onState("offline");
    connect();
  }

  function receive(data) {
    heard = performance.now();
    const frame = JSON.parse(data);
    if (frame.op === "event") event(frame, data.length);
    else if (frame.op === "hello") greeted(frame);
    else if (frame.op === "run") onRun(frame);
    else if (frame.op === "threads") onThreads?.();
    else if (frame.op === "queued") onQueued(frame);
    else if (frame.op === "access") onAccess(frame);
    else if (frame.op === "path") onPath(frame);
    else if (frame.op === "place") follows.get(frame.run)?.listener.place(frame.place);
    else if (frame.op === "error") refused(frame);
  }

  function greeted(frame) {
    if (frame.protocol !== protocol) {
      isOver = true;
      socket.close();
      onState("new-version");
      return;
    }
    isReady = true;
    if (onThreads) send({ op: "threads" });
    if (wasReady) onThreads?.();
    wasReady = true;
    failures = 0;
    for (const [run, { seq }] of follows) send({ op: "subscribe", run, after: seq });
    if (watched) send({ op: "watch", thread: watched });
    onState("online");
  }

  function event(frame, size) {
    const known = follows.get(frame.run);
    if (!known || frame.seq <= known.seq) return;
    if (frame.seq > known.seq + 1) {
      abandon(); // a gap is never skipped
      return;
    }
    known.seq = frame.seq;
    known.listener.event(frame);
    known.events += 1;
    known.characters += size;
    acknowledge(frame.run, known);
  }

  function acknowledge(run, known) {
    const isDue =
      known.events >= ACK_EVERY.events ||
      known.characters >= ACK_EVERY.characters ||
      performance.now() - known.ackedAt >= ACK_EVERY.ms;
    if (isDue) ack(run, known);
    else known.timer ||= setTimeout(() => ack(run, known), ACK_EVERY.ms);
  }

  function ack(run, known) {
    clearTimeout(known.timer);
    Object.assign(known, { timer: 0, events: 0, characters: 0, ackedAt: performance.now() });
    if (isReady && follows.get(run) === known) send({ op: "ack", run, seq: known.seq });
  }

  function refused(frame) {
    const known = follows.get(frame.run);
    if (known) {
      follows.delete(frame.run);
      known.listener.lost(frame);
    } else {
      console.warn("websocket:", frame.code, frame.message);
    }
  }

  function send(frame) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  }

  function watch() {
    if (!socket) return;
    const limit = isReady ? SILENCE : PATIENCE;
    if (performance.now() - heard > limit) abandon();
  }

  // After sleep or a change of network: connect at once, or find out whether it lives.
  function wake() {
    if (isOver || !isWanted()) return;
    failures = 0;
    if (!socket) {
      connect();
      return;
    }
    const before = heard;
    send({ op: "ping" });
    setTimeout(() => socket && heard === before && abandon(), ANSWER);
  }

  setInterval(watch, 5_000);
  addEventListener("online", wake);
  document.addEventListener("visibilitychange", () => document.hidden || wake());
  return { follow, unfollow, watchThread, watchThreads };
}
